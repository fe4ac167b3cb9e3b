"""Standard errors from the information, the Laplace approximation and the bootstrap."""
