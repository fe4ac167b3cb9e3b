"""Messages in the words of the command line: its options in place of Python's arguments."""

import shlex

from mixtures.messages import Option, parts_of

__all__ = ["in_options"]

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


def _spelt(option: Option) -> str:
    name = option.name.replace("_", "-")
    spelt = SPELT.get(option.name, f"--{name}")
    if option.typed or not option.is_set or option.value is True:
        return option.typed or spelt
    if option.value is False:
        return f"--no-{name}"
    return f"{spelt} {'none' if option.value is None else shlex.quote(str(option.value))}"
