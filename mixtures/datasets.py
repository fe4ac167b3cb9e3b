"""Built-in data sets: small, offline and the same on every call."""

from mixtures.data.datasets import NAMES, blobs, coins, describe, digits, faithful, iris, load, squares

__all__ = ["NAMES", "blobs", "coins", "describe", "digits", "faithful", "iris", "load", "squares"]
