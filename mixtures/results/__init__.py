"""What every call returns: frozen values, apart from the algorithms that make them."""
