"""A posterior uncertainty report: one HTML file that needs nothing else."""
