"""Component families and the mixtures made of them; NumPy and SciPy only."""
