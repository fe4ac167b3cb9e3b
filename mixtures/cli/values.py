"""Options in the panels of the help, and what their values must be."""

from functools import partial
from typing import Any

import typer

from mixtures.cli.streams import complain
from mixtures.errors import InputError
from mixtures.messages import named

__all__ = ["BAD_INPUT", "DATA", "FITTING", "MODEL", "NUMBER", "OUTPUT", "option", "whole"]

BAD_INPUT = 2
"""Exit code after bad input."""


DATA, MODEL, FITTING, OUTPUT = "Data", "Model", "Fitting", "Output"
"""Panels of the help."""


def option(panel: str, *names: str, **settings: Any) -> Any:
    """Make an option that the help shows in a panel; an empty text is refused."""
    return typer.Option(*names, rich_help_panel=panel, callback=_filled, **settings)


def _filled(param: typer.CallbackParam, value: Any) -> Any:
    if value == "":
        complain(InputError(f"{param.opts[0]} is empty; give a value, or leave it out"))
        raise typer.Exit(BAD_INPUT)
    return value


def whole(panel: str, *names: str, **settings: Any) -> Any:
    """Make an option that is a whole number."""
    return option(panel, *names, parser=partial(_read, int, "a whole number"), **settings)


def _read(kind: type, what: str, text: Any) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise typer.BadParameter(f"{named(text)} is not {what}") from None


NUMBER = partial(_read, float, "a number")
"""Reader of options that are numbers."""
