"""Results in one file, checked when it is loaded; nothing in it is run."""
