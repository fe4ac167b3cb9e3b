"""Standard streams that may be closed, full, or of a limited encoding."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

import rich
import typer

from mixtures.cli.text import console, plain
from mixtures.errors import InputError
from mixtures.messages import message_of

__all__ = ["complain", "file_of", "flushed", "prepare_streams", "standard_input"]

UNWRITABLE = {errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EAGAIN}
"""Errors of a stream that accepts no more; errors of files are reported where they are written."""


def prepare_streams() -> None:
    """Refuse a closed standard output, and print characters that its encoding lacks as question marks.

    Progress goes to standard error: standard output may be a pipe that closes early, which must
    not end the computation.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # otherwise output would go to the next file that is opened
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        raise OSError("standard output is closed; send it to /dev/null to have nothing printed")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")
    rich.reconfigure(stderr=True, quiet=sys.stderr is None or not sys.stderr.isatty())


@contextmanager
def flushed() -> Iterator[None]:
    """Flush standard output; raise `OSError` if that fails."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        with suppress(OSError):  # buffered output is discarded, or Python would fail at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OSError(f"standard output cannot be written ({os.strerror(error.errno)})") from error


@contextmanager
def standard_input() -> Iterator[BinaryIO]:
    """Read standard input as bytes; an `InputError` says why that fails."""
    if sys.stdin is None:
        raise InputError("standard input is closed; name a file, or send CSV to it")
    try:
        yield typer.get_binary_stream("stdin")
    except OSError as error:
        raise InputError(f"standard input cannot be read ({error.strerror or error})") from error


def file_of(place: int | str | Path) -> object:
    """Identity of a regular file, whatever its name; for a file not yet made, its path.

    A number is a descriptor. None for anything else, such as a pipe.
    """
    try:
        found = os.fstat(place) if isinstance(place, int) else os.stat(place)
    except (OSError, ValueError):
        return None if isinstance(place, int) else os.path.realpath(place)
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def complain(error: Exception) -> None:
    """Print an error on one line on standard error, in options of the command line, if that is open."""
    with suppress(OSError):
        console(stderr=True).print(f"[bold red]error:[/] {plain(message_of(error))}", soft_wrap=True)
