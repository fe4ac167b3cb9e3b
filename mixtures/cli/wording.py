"""Messages in the words of the command line: its options in place of Python's arguments."""

import shlex
from typing import Any

from mixtures.messages import Option, parts_of

__all__ = ["as_typed", "in_options"]

SPELT = {"n_components": "-k", "covariance_type": "--covariance", "index": "--id"}
"""Options whose names are not those of Python's arguments, with hyphens."""


def in_options(text: str) -> str:
    """A message with the options of the command line.

    Examples
    --------
    >>> from mixtures.messages import Option, worded
    >>> text = worded("use ", Option("prior", None), ", or lower ", Option("n_components", 9))
    >>> text, in_options(text)
    ('use prior=None, or lower n_components=9', 'use --prior none, or lower -k 9')
    """
    return "".join(_spelt(part) if isinstance(part, Option) else str(part) for part in parts_of(text))


def as_typed(value: Any) -> Any:
    """What becomes JSON, its texts with the options of the command line.

    Examples
    --------
    >>> from mixtures.messages import Option, worded
    >>> as_typed({"notes": [worded("raise ", Option("n_init"))]})
    {'notes': ['raise --n-init']}
    """
    match value:
        case str():
            return in_options(value)
        case dict():
            return {key: as_typed(each) for key, each in value.items()}
        case list() | tuple():
            return [as_typed(each) for each in value]
    return value


def _spelt(option: Option) -> str:
    name = option.name.replace("_", "-")
    spelt = SPELT.get(option.name, f"--{name}")
    if option.typed or not option.is_set or option.value is True:
        return option.typed or spelt
    if option.value is False:
        return f"--no-{name}"
    return f"{spelt} {'none' if option.value is None else shlex.quote(str(option.value))}"
