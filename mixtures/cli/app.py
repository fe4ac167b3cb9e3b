"""The command line: the program ``mixtures`` and its commands."""

import atexit
import gc
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mixtures.cli import cache, complete, crosscheck, datasets, inspect, predict, report, select
from mixtures.cli.choices import DATASETS
from mixtures.cli.running import FAILS, examples
from mixtures.cli.stopping import STOPPED, stops_at_interrupts
from mixtures.cli.streams import complain, flushed, prepare_streams
from mixtures.messages import visible

__all__ = ["app", "main"]

EXIT_CODES = (
    "\n\n[bold]Exit codes[/]\n"
    "  0: it holds; 1: it does not, or no fit could be had; 2: bad input; 130: Ctrl-C"
)


class Commands(TyperGroup):
    """The group of commands; if data are given in place of a command, a hint follows."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command that the first argument names."""
        word = args[0]
        if word not in self.commands and (word in DATASETS or Path(word).exists()):
            ctx.fail(
                f"{word!r} names data, and no command; did you mean: mixtures crosscheck {visible(word)} -k 2"
            )
        return super().resolve_command(ctx, args)


COLLECT_AFTER = 100_000
"""New objects between two searches for garbage: most of what a command loads lives as long as it does."""


app = typer.Typer(
    cls=Commands,
    name="mixtures",
    help="Finite mixtures: EM, MAP and posterior of one model, side by side.",
    epilog=examples(
        "mixtures demo",
        "mixtures inspect table.csv",
        "mixtures crosscheck faithful -k 2",
        "mixtures select table.csv --max-k 4",
        "mixtures report table.csv -k 3 -o report.html",
        "mixtures COMMAND --help",
    )
    + EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"mixtures {version('pymc-mixtures')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Finite mixtures: EM, MAP and posterior of one model, side by side."""


app.command("inspect", epilog=inspect.EXAMPLES)(inspect.inspect_command)
app.command("crosscheck", epilog=crosscheck.EXAMPLES)(crosscheck.crosscheck_command)
app.command("select", epilog=select.EXAMPLES)(select.select_command)
app.command("report", epilog=report.EXAMPLES)(report.report_command)
app.command("predict", epilog=predict.EXAMPLES)(predict.predict_command)
app.command("complete", epilog=complete.EXAMPLES)(complete.complete_command)
app.command("datasets", epilog=datasets.EXAMPLES)(datasets.datasets_command)
app.command("cache", epilog=cache.EXAMPLES)(cache.cache_command)
app.command("demo", epilog=crosscheck.DEMO_EXAMPLES)(crosscheck.demo_command)


def main() -> None:
    """Run the command line, whatever the state of its output: closed, full or of a limited encoding."""
    gc.set_threshold(COLLECT_AFTER)
    atexit.register(gc.freeze)  # or else Python searches all that was loaded for garbage once more
    try:
        with stops_at_interrupts(STOPPED):
            prepare_streams()
            with flushed():
                app()
    except OSError as error:
        complain(error)
        sys.exit(FAILS)
