"""The NumPy reference: EM for any family, by its sufficient statistics."""
