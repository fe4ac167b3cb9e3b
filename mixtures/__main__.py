"""``python -m mixtures`` is the command line."""

from mixtures.cli.app import main

main()
