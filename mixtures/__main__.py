"""The program ``mixtures``, also as ``python -m mixtures``; Ctrl-C ends it at once while it loads."""

from mixtures.cli.stopping import STOPPED, stops_at_interrupts

__all__ = ["main"]


def main() -> None:
    """Load the command line and run it."""
    with stops_at_interrupts(STOPPED):
        from mixtures.cli import app
    app.main()


if __name__ == "__main__":
    main()
