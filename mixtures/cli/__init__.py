"""The command line: `mixtures crosscheck`, `select`, `report`, `predict`, `datasets`, `demo`."""
