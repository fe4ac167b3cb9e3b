"""``python -m mixtures`` runs the command line."""

from mixtures.cli.app import main

main()
