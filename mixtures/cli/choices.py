"""Names accepted on the command line, listed here so that the help does not import other modules."""

__all__ = ["COVARIANCES", "CRITERIA", "DATASETS", "METHODS", "MODELS"]

MODELS = ("gmm", "bmm", "lca", "pmm", "mixed")
COVARIANCES = ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical")
CRITERIA = ("aic", "bic", "icl", "caic", "sabic", "loo", "evidence")
METHODS = ("information", "laplace", "bootstrap", "weighted", "nuts")
DATASETS = ("faithful", "blobs", "squares", "coins", "digits", "iris")
