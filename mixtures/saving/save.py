"""Results in one file: a zip archive of JSON, for everything small, and netCDF, for samples.

Nothing in a file is ever executed: it holds numbers, strings and the names of models
and priors, and all of them are checked before they become a result.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from os import PathLike
from platform import python_version
from typing import Any

import numpy as np
import xarray as xr

from mixtures.errors import InputError
from mixtures.messages import named
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.results.selection import Selection
from mixtures.results.uncertainty import Uncertainty
from mixtures.saving.archive import as_path, opened_archive, write_archive
from mixtures.saving.encoding import decode, encode
from mixtures.saving.fingerprint import content_hash
from mixtures.saving.netcdf import from_netcdf, to_netcdf
from mixtures.saving.parts import check_parts
from mixtures.saving.same_rows import refuse_other_rows

__all__ = ["RESULTS", "Header", "check_labels", "load", "read_header", "save", "versions"]

FORMAT, FORMAT_VERSION = "mixtures", 1
"""Name of the format, and the newest version that this package reads."""


RESULTS: Mapping[str, type] = {
    "EMFit": EMFit,
    "MAPFit": MAPFit,
    "Crosscheck": Crosscheck,
    "Uncertainty": Uncertainty,
    "Selection": Selection,
    "DataTree": xr.DataTree,
}
"""Kinds of results that can be saved, by their names in a file."""


MAIN = "result.json"


MEMBERS = re.compile(r"result\.json|samples/\d{1,4}\.nc")
"""Names of the members of a file."""


PACKAGES = ("pymc-mixtures", "numpy", "pymc", "arviz", "jax", "xarray")
"""Packages whose versions are saved."""


LARGEST_JSON, LARGEST_SAMPLES = 2**28, 2**32
"""Most bytes of JSON, which needs some ten times as much memory to parse, and of all samples together."""


@dataclass(frozen=True)
class Header:
    """What a file records about its result.

    Attributes
    ----------
    kind : str
        Kind of result, such as "Crosscheck".
    versions : dict of str
        Versions of Python and of the packages that made it.
    content_hash : str or None
        Hash of the data, if they were given to `save`.
    about : dict of str
        Remarks of the person who saved it.
    """

    kind: str
    versions: dict[str, str]
    content_hash: str | None
    about: dict[str, str]


def save(
    result: Any,
    path: str | PathLike[str],
    *,
    X: Any = None,
    weights: Any = None,
    labels: Any = None,
    about: Mapping[str, str] | None = None,
) -> None:
    """Save a result in one file, which replaces an older one only when it is complete.

    Parameters
    ----------
    result : EMFit, MAPFit, Crosscheck, Uncertainty, Selection or xarray.DataTree
        What to save; every float is restored to the last bit. Samples are saved as
        netCDF, which needs the extra ``pymc-mixtures[io]``.
    path : path
        The file. It is written under another name and then renamed, so that there is
        always either the old file or the new one.
    X : array_like or frame, shape (n, D), optional
        The data, whose content hash is saved with the result; the data are not. They must be those that
        were fitted.
    weights : array_like, shape (n,), optional
        Their weights.
    labels : array_like, shape (n,), optional
        Known clusters of their rows, as in `fit_em`.
    about : dict of str, optional
        Anything else to save with it, such as the seed or a title.

    Raises
    ------
    InputError
        If such a result cannot be saved, the rows are not those that were fitted, as far as the result
        tells, or the file cannot be written.

    Returns
    -------
    None

    Examples
    --------
    >>> import os, tempfile, mixtures as mx
    >>> em = mx.fit_em(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mx.save(em, os.path.join(folder, "em.mix"))
    ...     again = mx.load(os.path.join(folder, "em.mix"))
    >>> again.spec == em.spec, bool((again.params["mu"] == em.params["mu"]).all())
    (True, True)
    """
    kind = next((name for name, known in RESULTS.items() if isinstance(result, known)), None)
    path = as_path(path)
    if kind is None:
        raise InputError(f"a {type(result).__name__} cannot be saved; what can is {', '.join(RESULTS)}")
    if X is not None:
        refuse_other_rows(result, X, weights, labels)
    samples: dict[str, bytes] = {}

    def keep(tree: xr.DataTree) -> str:
        name = f"samples/{len(samples)}.nc"
        samples[name] = to_netcdf(tree)
        return name

    body = encode(result, RESULTS[kind], keep)
    found = None if X is None else content_hash(X, weights, labels=labels)
    header = Header(kind, versions(), found, dict(about or {}))
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "header": encode(header, Header, keep),
        "samples": {name: hashlib.sha256(content).hexdigest() for name, content in samples.items()},
        "result": body,
    }
    text = json.dumps(document, allow_nan=False).encode()
    if len(text) > LARGEST_JSON:
        raise InputError(f"the result takes {len(text)} bytes of JSON; {LARGEST_JSON} are the most")
    if (size := sum(map(len, samples.values()))) > LARGEST_SAMPLES:
        raise InputError(f"the samples take {size} bytes; {LARGEST_SAMPLES} are the most: keep fewer draws")
    write_archive(path, {MAIN: text, **samples})


def check_labels(labels: np.ndarray) -> None:
    """Refuse row labels that cannot be saved and restored with a result, before there is a result.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        Row labels, as `mixtures.data.table.Data` has them.

    Raises
    ------
    InputError
        If they are of a kind that cannot be saved, or are too long together.

    Examples
    --------
    >>> check_labels(np.array([1, "b"], dtype=object))
    Traceback (most recent call last):
    mixtures.errors.InputError: the row labels cannot be saved (int 1, str 'b'); make them text or numbers
    """
    if labels.dtype.kind in "iuf":
        return
    given = tuple(labels)
    try:
        # As in a result: in the coordinates of its mode, and in two groups of its sample.
        rows = xr.Dataset(coords={"obs_id": labels})
        tree = xr.DataTree.from_dict({"observed_data": rows, "log_likelihood": rows})
        written = json.loads(json.dumps(encode(given, Any, _no_sample)))
        kept = decode(written, Any, "row labels", _no_sample)
        same = kept == given and from_netcdf(to_netcdf(tree), "the row labels").identical(tree)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(_why_not_kept(given)) from error
    if not same:
        raise InputError(_why_not_kept(given))


def _why_not_kept(labels: tuple[Any, ...]) -> str:
    kinds = {type(label): label for label in reversed(labels)}
    shown = ", ".join(f"{kind.__name__} {named(repr(kinds[kind]))[1:-1]}" for kind in reversed(kinds))
    return f"the row labels cannot be saved ({shown}); make them text or numbers"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": python_version(), **{name: version(name) for name in PACKAGES}}


def load(path: str | PathLike[str]) -> Any:
    """Load a result that `save` wrote; the whole file is checked and nothing in it is executed.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    EMFit, MAPFit, Crosscheck, Uncertainty, Selection or xarray.DataTree
        What was saved.

    Raises
    ------
    InputError
        If the file is missing, of another kind, of a later version or damaged, or
        holds impossible values; the message says where.

    Notes
    -----
    Samples are read by the HDF5 library. A malicious file may hang the process: load
    an untrusted file in a process with a time limit.

    Examples
    --------
    >>> import mixtures as mx
    >>> mx.load("nowhere.mix")
    Traceback (most recent call last):
    mixtures.errors.InputError: there is no file nowhere.mix
    """
    document, samples = _open(path)
    used = set()

    def fetch(name: Any, where: str) -> xr.DataTree:
        if not isinstance(name, str) or name not in samples:
            raise InputError(f"{where} names the sample {name!r:.80}, which is not in the file")
        used.add(name)
        return from_netcdf(samples[name], name)

    try:
        kind = _header(document).kind
        result = decode(document["result"], RESULTS[kind], "result", fetch)
        check_parts(result, "result")
        if unused := sorted(samples.keys() - used):
            raise InputError(f"nothing refers to {unused[0]}")
    except InputError as error:
        raise InputError(f"{path} is damaged or has been tampered with: {error}") from error
    return result


def read_header(path: str | PathLike[str]) -> Header:
    """Read what a file records about its result, without the result.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Header
        Kind, versions, hash of the data, remarks.

    Raises
    ------
    InputError
        As in `load`.
    """
    return _header(_open(path)[0])


def _open(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read the main document of a file and open its samples, after checking version and hashes."""
    with opened_archive(path, MEMBERS) as archive:
        if MAIN not in archive.sizes:
            raise InputError(f"{path} is not a file that mixtures.save wrote: it has no {MAIN}")
        if (size := archive.sizes[MAIN]) > LARGEST_JSON:
            raise InputError(f"{path}: {MAIN} has {size} bytes; {LARGEST_JSON} are the most")
        document = _parse(archive.read(MAIN), path)
        _check_document(document, path)
        names = [name for name in archive.sizes if name != MAIN]
        if (size := sum(archive.sizes[name] for name in names)) > LARGEST_SAMPLES:
            raise InputError(f"{path}: its samples have {size} bytes; {LARGEST_SAMPLES} are the most")
        # Hashed piece by piece: only samples whose hash is in the document are read into memory.
        if {name: archive.sha256(name) for name in names} != document["samples"]:
            raise InputError(
                f"{path} is damaged or has been tampered with: its samples are not those it was saved with"
            )
        return document, {name: archive.read(name) for name in names}


def _check_document(document: Any, path: str | PathLike[str]) -> None:
    """Refuse a document that `save` did not write, or whose version is unknown."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path} is not a file that mixtures.save wrote: {MAIN} says nothing of it")
    found = document.get("version")
    if type(found) is not int:  # true is 1, and so is 1.0
        found = 0
    if found > FORMAT_VERSION:
        raise InputError(
            f"{path} is of format version {found}, this version of mixtures understands up to "
            f"{FORMAT_VERSION}; update mixtures to load it"
        )
    wanted = {"format", "version", "header", "samples", "result"}
    if found != FORMAT_VERSION or document.keys() != wanted:
        raise InputError(
            f"{path} is damaged or has been tampered with: {MAIN} has not the parts it should have"
        )


def _parse(text: bytes, path: str | PathLike[str]) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        what = "is nested too deeply" if isinstance(error, RecursionError) else f"is not JSON: {error}"
        raise InputError(f"{path} is damaged or has been tampered with: {MAIN} {what}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object whose keys all differ: readers disagree on which of two equal keys counts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {named(repeated)} stands twice in one object")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{named(text)} is too large for a number")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _header(document: Mapping[str, Any]) -> Header:
    header: Header = decode(document["header"], Header, "header", _no_sample)
    if header.kind not in RESULTS:
        raise InputError(f"header.kind is {header.kind!r:.80}, not one of {', '.join(RESULTS)}")
    return header


def _no_sample(name: Any, where: str = "") -> Any:
    """Refuse a sample where none is expected."""
    raise InputError(f"{where} is no place for a sample")
