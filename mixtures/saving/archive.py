"""Files that are written completely or not at all, and archives that are read without trusting them.

Only a regular file is replaced. A stream, such as a pipe or ``/dev/null``, is
written to.

An archive is a zip file with uncompressed members. Nothing is ever inflated, so a
file cannot claim more bytes than it has, and no member is read before its size has
been checked.
"""

import hashlib
import io
import os
import re
import secrets
import stat
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from mixtures.errors import InputError
from mixtures.messages import named

__all__ = [
    "Archive",
    "as_path",
    "check_writable",
    "is_stream",
    "opened_archive",
    "replacing",
    "write_archive",
]

MAGIC = b"PK\x03\x04"
"""First bytes of a zip archive with a member."""


MEMBERS = 1000
"""Largest number of members of an archive."""


EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every member, so that equal results make equal files."""


UNREADABLE = (BadZipFile, EOFError, OSError, OverflowError, RuntimeError, ValueError, struct.error)
"""What zipfile raises if the bytes are not an archive, or not of a known kind."""


def as_path(path: str | PathLike[str]) -> Path:
    """Make a path of what a user passed; raise `InputError` if that is impossible.

    Examples
    --------
    >>> as_path(5)
    Traceback (most recent call last):
    mixtures.errors.InputError: a file is named by text or a pathlib.Path, got int: 5
    """
    if not isinstance(path, str | bytes | PathLike):
        kind = type(path).__name__
        raise InputError(f"a file is named by text or a pathlib.Path, got {kind}: {named(path)[1:-1]}")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise InputError(f"{named(text)} cannot be the name of a file; name another")
    return Path(text)


def is_stream(path: str | PathLike[str]) -> bool:
    """Whether a path is a stream, written to but never replaced: a pipe, a terminal, standard output."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    kinds = stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode)
    return kinds or _standard(found) is not None


def _standard(found: os.stat_result) -> int | None:
    """Descriptor of the standard stream that is redirected to a file, if any."""
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None


def check_writable(path: str | PathLike[str]) -> None:
    """Refuse a file that cannot be written, as far as this can be checked in advance."""
    path = as_path(path)
    if is_stream(path):
        if not os.access(path, os.W_OK):
            raise InputError(f"{str(path)!r} cannot be written to; name a file")
        return
    try:
        _check_replaceable(path, os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        pass  # there is nothing to replace; the folder is looked at next
    except OSError as error:
        raise InputError(f"{named(path)} cannot be written ({error.strerror or error})") from error
    folder = Path(os.path.realpath(path)).parent
    if not os.path.isdir(folder):
        raise InputError(f"there is no folder {named(path.parent)}")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {named(path.parent)} cannot be written to")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"the folder {named(path.parent)} cannot be written to ({reason})") from error


def _check_replaceable(path: Path, mode: int) -> None:
    """Refuse to replace anything but a regular file."""
    if stat.S_ISDIR(mode):
        raise InputError(f"{str(path)!r} is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        what = "a disk" if stat.S_ISBLK(mode) else "a socket" if stat.S_ISSOCK(mode) else "not a file"
        raise InputError(f"{str(path)!r} is {what}; name a file")


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that replaces another once all of it is on the disk.

    A process that is killed leaves the old file or the new one, and at most a
    leftover ``.mixtures-*.tmp``. A stream is not replaced: everything is written to it
    at the end. Errors of the disk become an `InputError`.
    """
    path = as_path(path)
    if is_stream(path):
        content = io.BytesIO()
        yield content
        _write_to(path, content)
        return
    path = Path(os.path.realpath(path))
    beside = path.with_name(f".mixtures-{secrets.token_hex(8)}.tmp")
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            _check_replaceable(path, path.stat().st_mode)
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


def _write_to(path: Path, content: io.BytesIO) -> None:
    """Write to a stream, at the current position of a standard stream, so that later output follows."""
    try:
        descriptor = _standard(os.stat(path))
        if descriptor == 1 and sys.stdout is not None:
            sys.stdout.flush()
        with open(path, "wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(content.getbuffer())
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error


def _settle(folder: Path) -> None:
    """Flush the folder's new entry to the disk too, where folders can be opened (not on Windows)."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_archive(path: str | PathLike[str], members: Mapping[str, bytes]) -> None:
    """Write members to an archive, replacing the old file; after a failure the old file remains."""
    with replacing(path) as file, ZipFile(file, "w", ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(ZipInfo(name, EPOCH), content)


@dataclass(frozen=True)
class Archive:
    """Members of an open archive, which are read on request.

    Attributes
    ----------
    path : pathlib.Path
        Path of the archive, for messages.
    sizes : dict of str to int
        Bytes of every member.
    """

    path: Path
    sizes: dict[str, int]
    _file: ZipFile

    def read(self, name: str) -> bytes:
        """Bytes of a member; check its size first."""
        return self._file.read(name)

    def sha256(self, name: str) -> str:
        """Hash of a member, read piece by piece."""
        with self._file.open(name) as member:
            return hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]


@contextmanager
def opened_archive(path: str | PathLike[str], names: re.Pattern[str]) -> Iterator[Archive]:
    """Open an archive whose members' names must all match; raise `InputError` if something is wrong."""
    path = as_path(path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"there is no file {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is not a regular file; a saved result is read from one")
    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise InputError(f"{path} is not a file that mixtures.save wrote")
            with ZipFile(file) as archive:
                _check_members(archive.infolist(), names, path)
                sizes = {info.filename: info.file_size for info in archive.infolist()}
                yield Archive(path, sizes, archive)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path} is damaged or cut short: {error}") from error


def _check_members(members: list[ZipInfo], names: re.Pattern[str], path: Path) -> None:
    """Refuse anything that `write_archive` does not write, before any of it is read."""
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
