"""The cache of programs on disk: one folder a model, one file a program.

A file is a line that says what it is, a line of JSON with the hash of the rest, and the rest:
text in JSON, or a StableHLO program as `jax.export` writes it. Nothing in it is Python, and nothing
is unpickled. Files are written beside and renamed, so that processes never see half of one.
"""

import json
import os
import re
import shutil
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import Any

from platformdirs import user_cache_path

from mixtures.errors import PerformanceWarning
from mixtures.messages import warn

__all__ = ["DESCRIPTION", "LARGEST", "Store", "Stored", "cache_folder", "clear", "stored_models"]

VARIABLE, OFF = "MIXTURES_CACHE", ("", "off")
"""The environment variable that names the folder, and its values that turn the cache off."""


MAGIC = b"mixtures program 1\n"


SUFFIX, DIGEST = ".program", re.compile(r"[0-9a-f]{64}")


DESCRIPTION = "model"
"""Name of the file that every model has."""


LARGEST = 2**28
"""Bytes of all files; beyond them the models that were not used for longest are removed."""


LONGEST_HEADER = 4096
"""Bytes of the line of JSON at most."""


def cache_folder() -> Path | None:
    """Folder of the cache: ``MIXTURES_CACHE``, or the user's cache folder; None if it is turned off."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return user_cache_path("mixtures") / "programs"
    return None if given.strip().lower() in OFF else Path(given).expanduser()


@dataclass(frozen=True)
class Store:
    """What is stored of one model.

    Attributes
    ----------
    folder : Path
        The cache.
    key : str
        Digest of all that the model's programs depend on.
    """

    folder: Path
    key: str

    def read(self, name: str) -> bytes | None:
        """Content of a file; None if there is none, or, with a note, if it is damaged or foreign."""
        path = self._path(name)
        try:
            content = path.read_bytes()
            os.utime(path.parent)  # the model is used now
        except FileNotFoundError:
            return None
        except OSError as error:
            _note(f"the file {path} in the cache of programs cannot be read ({error.strerror or error})")
            return None
        payload = self.payload(content, name)
        if payload is None:
            self.refuse(name)
        return payload

    def refuse(self, name: str) -> None:
        """Say that a file is not what it should be; it is written again."""
        _note(
            f"the file {self._path(name)} in the cache of programs is damaged or foreign; it is ignored and "
            "replaced"
        )

    def is_usable(self) -> bool:
        """Whether the folder can be written; if not, it is noted once."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with TemporaryFile(dir=self.folder):
                return True
        except OSError as error:
            _note(_not_written(self.folder, error))
            return False

    def write(self, name: str, payload: bytes) -> None:
        """Write a file beside and rename it; a folder that cannot be written is noted, once."""
        header = json.dumps({"key": self.key, "name": name, "sha256": sha256(payload).hexdigest()})
        path = self._path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True, mode=0o700)
            with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
                try:
                    file.write(MAGIC + header.encode() + b"\n" + payload)
                    file.close()
                    os.replace(file.name, path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            _bound(self.folder, keep=self.key)
        except OSError as error:
            _note(_not_written(self.folder, error))

    def _path(self, name: str) -> Path:
        return self.folder / self.key / (name + SUFFIX)

    def payload(self, content: bytes, name: str) -> bytes | None:
        """Content of a file without its first lines; None if they do not fit it."""
        if not content.startswith(MAGIC):
            return None
        line, _, payload = content[len(MAGIC) :].partition(b"\n")
        if len(line) > LONGEST_HEADER:
            return None
        try:
            header: Any = json.loads(line)
        except ValueError:
            return None
        expected = {"key": self.key, "name": name, "sha256": sha256(payload).hexdigest()}
        return payload if header == expected else None


@dataclass(frozen=True)
class Stored:
    """A model in the cache: its description, its files, their bytes, and when it was last used."""

    key: str
    description: bytes | None
    programs: int
    size: int
    used: float


def stored_models(folder: Path) -> list[Stored]:
    """Models in the cache, those used last first."""
    found = []
    for each in _folders(folder):
        files, used = _files(each), _used(each)
        path = each / (DESCRIPTION + SUFFIX)
        content = Store(folder, each.name).payload(path.read_bytes(), DESCRIPTION) if path.is_file() else None
        found.append(Stored(each.name, content, len(files), sum(n for _, n in files), used))
    return sorted(found, key=lambda one: -one.used)


def clear(folder: Path) -> int:
    """Remove every model; return how many there were. Files of others in the folder stay."""
    folders = _folders(folder)
    for each in folders:
        _remove(each)
    return len(folders)


def _bound(folder: Path, keep: str) -> None:
    """Remove the models that were not used for longest until the others fit."""
    sizes = {each: sum(n for _, n in _files(each)) for each in _folders(folder)}
    total = sum(sizes.values())
    for each in sorted(sizes, key=_used):
        if total <= LARGEST:
            return
        if each.name != keep:
            _remove(each)
            total -= sizes[each]


def _folders(folder: Path) -> list[Path]:
    """Folders of models: those whose name is a digest."""
    try:
        return [each for each in folder.iterdir() if DIGEST.fullmatch(each.name) and each.is_dir()]
    except OSError:
        return []


def _files(folder: Path) -> list[tuple[Path, int]]:
    """Files of a model with their sizes; another process may remove them meanwhile."""
    found = []
    for path in folder.glob("*" + SUFFIX):
        try:
            found.append((path, path.stat().st_size))
        except OSError:
            continue
    return found


def _used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _remove(folder: Path) -> None:
    """Remove a model's folder, unless it is a link to another."""
    if not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)


def _not_written(folder: Path, error: OSError) -> str:
    what = error.strerror or error
    return f"the cache of programs {folder} cannot be written ({what}); {VARIABLE} names another folder"


@cache
def _note(what: str) -> None:
    """Say what is wrong with the cache, and what to do; once a process, since everything works without it."""
    warn(
        f"{what}; the model is built anew (`mixtures cache --clear` empties the cache, and {VARIABLE}=off "
        "turns it off)",
        PerformanceWarning,
    )
