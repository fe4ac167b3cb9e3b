"""Log densities of PyMC models compiled by JAX: values, slopes, curvature, search."""
