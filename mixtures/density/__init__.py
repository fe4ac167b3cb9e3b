"""Log densities of PyMC models compiled by JAX: values, gradients, curvature, search."""
