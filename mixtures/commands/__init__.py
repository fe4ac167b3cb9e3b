"""Commands of the command line that have a module each; `mixtures.cli` puts them together."""
