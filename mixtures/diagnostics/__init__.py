"""Diagnostics of a posterior sample: mixing, switching, prediction, sensitivity."""
