"""Names that can be typed on the command line, here so that help needs none of the modules they come from."""

__all__ = ["COVARIANCES", "CRITERIA", "DATASETS", "METHODS", "MODELS"]

MODELS = ("gmm", "bmm")
COVARIANCES = ("full", "tied", "diag", "spherical")
CRITERIA = ("aic", "bic", "icl", "loo", "evidence")
METHODS = ("information", "laplace", "bootstrap", "weighted", "nuts")
DATASETS = ("faithful", "blobs", "squares", "coins", "digits", "iris")
