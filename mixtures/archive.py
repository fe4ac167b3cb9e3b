"""One file of several members: written whole or not at all, read without trusting it.

The file is a zip archive whose members are stored as they are. Nothing is ever
inflated, so a file can claim no more bytes than it has.
"""

import os
import re
import secrets
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from mixtures.errors import InputError

__all__ = ["read_archive", "replacing", "write_archive"]

MAGIC = b"PK\x03\x04"
"""How a zip archive with a member begins."""

MEMBERS = 1000
"""Members that an archive may have."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that equal results make equal files."""

UNREADABLE = (BadZipFile, EOFError, OSError, OverflowError, RuntimeError, ValueError, struct.error)
"""What zipfile raises on bytes that are no archive, or one of a kind it does not know."""


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of another once all of it is on the disk.

    A process that is killed leaves the old file or the new one, and at most a
    stray ``.mixtures-*.tmp`` beside it. What the disk refuses is an `InputError`.
    """
    path = Path(os.path.realpath(path))
    beside = path.with_name(f".mixtures-{secrets.token_hex(8)}.tmp")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name a file in it")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _settle(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); it is as it was") from error
    finally:
        with suppress(OSError):
            beside.unlink()


def _settle(folder: Path) -> None:
    """Have the folder's new entry on the disk too, where folders can be opened for it (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_archive(path: str | PathLike[str], members: Mapping[str, bytes]) -> None:
    """Put members into an archive, in place of what was there; after a failure that is still there."""
    with replacing(path) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(ZipInfo(name, EPOCH), content)


def read_archive(path: str | PathLike[str], names: re.Pattern[str]) -> dict[str, bytes]:
    """All members of an archive, each of whose names must match; an `InputError` says what is wrong."""
    path = Path(path)
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name a file in it")
    if not os.path.isfile(path):
        raise InputError(f"there is no file {path}")
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise InputError(f"{path} is not a file that mixtures.save wrote")
            with ZipFile(file) as archive:
                _check_members(archive.infolist(), names, path)
                return {info.filename: archive.read(info) for info in archive.infolist()}
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path} is damaged or cut short: {error}") from error


def _check_members(members: list[ZipInfo], names: re.Pattern[str], path: Path) -> None:
    """Refuse what `write_archive` does not write, before a byte of it is read."""
    if len(members) > MEMBERS:
        raise InputError(f"{path} has {len(members)} members; {MEMBERS} are the most")
    seen = set()
    for member in members:
        name = member.filename
        if not names.fullmatch(name):
            raise InputError(f"{path} is not a file that mixtures.save wrote: it has a member {name[:80]!r}")
        if name in seen:
            raise InputError(f"{path} has been tampered with: it has two members {name!r}")
        if member.compress_type != ZIP_STORED or member.file_size != member.compress_size:
            raise InputError(f"{path} has been tampered with: member {name!r} is compressed")
        seen.add(name)
    claimed = sum(member.file_size for member in members)
    if claimed > path.stat().st_size:
        raise InputError(
            f"{path} is damaged or cut short: its members claim {claimed} bytes, more than it has"
        )
