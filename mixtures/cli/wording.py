"""Errors in the words of the command line: options in place of Python's arguments."""

import re

__all__ = ["in_options"]

ALONE, END = r"(?<![\w'.\[])", r"(?![\w'(])"
"""Before and after a name of Python's that is not quoted and no part of another."""


ARGUMENTS = (
    (r"[a-z]\w*=\S* \((--[^()]*?) on the command line\)", r"\1"),
    (r"[a-z]\w*=\S* \((--[^()]*?)\)", r"\1"),
    (r"[a-z]\w*=\S+ (?:in Python )?or (--[^()]*?) on the command line", r"\1"),
    (rf"{ALONE}n_components=(\d+) clusters", r"\1 clusters"),
    (rf"{ALONE}n_components=(\d+)", r"-k \1"),
    (rf"{ALONE}n_components{END}", "-k"),
    (rf"{ALONE}covariance_type='(\w+)'", r"--covariance \1"),
    (rf"{ALONE}covariance_type{END}", "--covariance"),
    (rf"{ALONE}prior='default'", "--prior default"),
    (rf"{ALONE}prior=None", "--prior none"),
    (rf"{ALONE}weight_concentration=(\S+?)(?=[,;]|$|\s)", r"--weight-concentration \1"),
    (rf"{ALONE}weight_concentration{END}", "--weight-concentration"),
    (rf"{ALONE}sampler='(\w+)'", r"--sampler \1"),
    (rf"{ALONE}n_init{END}", "--n-init"),
)
"""What Python's messages say, and what the command line says in its place."""


def in_options(text: str) -> str:
    """A message with the options of the command line; names of columns in quotes stay as they are.

    Examples
    --------
    >>> in_options("use prior='default', or lower n_components=9; column 'n_init' is text")
    "use --prior default, or lower -k 9; column 'n_init' is text"
    >>> in_options('drop it, or pass missing="integrate" (--missing integrate on the command line)')
    'drop it, or pass --missing integrate'
    >>> in_options("drop it (columns=... or --exclude on the command line)")
    'drop it (--exclude)'
    """
    for pattern, words in ARGUMENTS:
        text = re.sub(pattern, words, text)
    return text
