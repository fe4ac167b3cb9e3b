"""What the public functions return: frozen values, separate from the algorithms that compute them."""
