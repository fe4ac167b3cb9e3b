"""``python -m mixtures`` is the command line."""

from mixtures.cli import main

main()
