"""``mixtures datasets``: the data sets that come with the package."""

import json
from dataclasses import asdict

import typer

from mixtures.cli.options import JsonOption, NameArgument
from mixtures.cli.running import examples, reports_errors
from mixtures.cli.text import console, plain, ruled_table

__all__ = ["EXAMPLES", "datasets_command"]

EXAMPLES = examples("mixtures datasets", "mixtures datasets iris > iris.csv", "mixtures datasets --json")


@reports_errors
def datasets_command(name: NameArgument = None, as_json: JsonOption = False) -> None:
    """List the built-in data sets, or print one of them as CSV."""
    from mixtures.data import datasets

    if name is not None:
        frame = datasets.load(name)
        typer.echo(
            frame.to_json(orient="records", indent=2) if as_json else frame.to_csv(index=False), nl=as_json
        )
        return
    listed = [datasets.describe(each) for each in datasets.NAMES]
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in listed], indent=2))
        return
    shown = ruled_table("Built-in data sets", name="left", rows="right", columns="right", what="left")
    for each in listed:
        what = f"{each.summary}\n[dim]{plain(each.source)}[/]"
        shown.add_row(each.name, str(each.n_rows), str(each.n_columns), what)
    console().print(shown)
