"""``mixtures cache``: the programs of models that are kept on disk."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from mixtures.cli.options import JsonOption
from mixtures.cli.running import examples, reports_errors
from mixtures.cli.text import console, plain, ruled_table

__all__ = ["EXAMPLES", "cache_command"]

EXAMPLES = examples("mixtures cache", "mixtures cache --clear", "mixtures cache --json")

ClearOption = Annotated[bool, typer.Option("--clear", help="Remove them all.")]


@reports_errors
def cache_command(clear: ClearOption = False, as_json: JsonOption = False) -> None:
    """Show the programs of models that are kept on disk, or remove them.

    The environment variable MIXTURES_CACHE names their folder; "off" turns the cache off.
    """
    from mixtures.density import store

    folder = store.cache_folder()
    if folder is None:
        typer.echo(json.dumps({"folder": None}) if as_json else "The cache is off (MIXTURES_CACHE).")
        return
    if clear:
        n = store.clear(folder)
        typer.echo(json.dumps({"folder": str(folder), "removed": n}) if as_json else f"{n} models removed.")
        return
    listed = [
        {
            "model": _words(each.description),
            "programs": each.programs,
            "bytes": each.size,
            "used": datetime.fromtimestamp(each.used, UTC).isoformat(timespec="seconds"),
        }
        for each in store.stored_models(folder)
    ]
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "models": listed}, indent=2))
        return
    shown = ruled_table("Programs kept on disk")
    for column in ("model", "files", "kB", "last used (UTC)"):
        shown.add_column(column, justify="left" if column == "model" else "right")
    for each in listed:
        kilobytes = f"{int(str(each['bytes'])) / 1000:.0f}"
        shown.add_row(plain(str(each["model"])), str(each["programs"]), kilobytes, str(each["used"])[:16])
    out = console()
    out.print(shown)
    total = sum(int(str(each["bytes"])) for each in listed)
    out.print(plain(f"{total / 1e6:.1f} MB of at most {store.LARGEST / 1e6:.0f} MB in {folder}"))


def _words(description: bytes | None) -> str:
    """The model in words, from the outline that is stored of it."""
    try:
        known = json.loads(description or b"null")
    except ValueError:
        known = None
    return str(known.get("model", "?")) if isinstance(known, dict) else "(not kept)"
