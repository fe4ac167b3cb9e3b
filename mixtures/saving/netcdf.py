"""Trees as netCDF in memory, inspected before they are read.

netCDF-4 is HDF5, which can link to other files, call filters, and declare arrays
far larger than the file. Trees written here do none of this.

The inspection itself uses HDF5, whose C code can be made to loop forever by a
malicious file. Accidental damage does not get here, since `load` compares hashes
first; load an untrusted file under a time limit.
"""

import io
import math
from typing import Any

import numpy as np
import xarray as xr

from mixtures.errors import InputError

__all__ = ["from_netcdf", "require_netcdf", "to_netcdf"]

GROUPS_DEEP = 8
"""Largest depth of nested groups."""


TEXT_ROOM = 2**26
"""Largest total length of all strings of a file."""


TEXTS = 64
"""Largest number of strings of an attribute."""


REFERENCES = {"DIMENSION_LIST", "REFERENCE_LIST"}
"""Attributes by which netCDF-4 links variables to dimensions."""


BARE_DIMENSION = b"This is a netCDF dimension but not a netCDF variable"
"""Name of a dataset for a dimension without coordinates; its values are never read."""


def to_netcdf(tree: xr.DataTree) -> bytes:
    """Write all groups of a tree to the bytes of a netCDF-4 file, exactly."""
    require_netcdf()
    plain = tree.map_over_datasets(xr.Dataset.drop_encoding)
    exact = {
        node.path: {name: {"_FillValue": None} for name in node.to_dataset(inherit=False).variables}
        for node in plain.subtree
    }
    try:
        return bytes(plain.to_netcdf(engine="h5netcdf", encoding=exact))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(f"the tree has something that netCDF cannot hold: {error}") from error


def from_netcdf(content: bytes, name: str) -> xr.DataTree:
    """Read a tree from the bytes of a netCDF-4 file into memory; ``name`` is for messages."""
    h5py = require_netcdf()
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            _Inspection(h5py, name, len(content)).group(file["/"], 0)
        with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as tree:
            return tree.load()
    except InputError:
        raise
    except Exception as error:  # HDF5, h5netcdf and xarray raise almost any exception on damaged files
        raise InputError(f"{name} is not a netCDF file that can be read: {error}") from error


def require_netcdf() -> Any:
    """Import the netCDF-4 library; an `InputError` says how to install it."""
    try:
        import h5netcdf  # noqa: F401 - xarray's engine
        import h5py
    except ImportError as error:
        raise InputError(
            "samples are kept in netCDF, which needs h5netcdf: pip install 'pymc-mixtures[io]'"
        ) from error
    return h5py


class _Inspection:
    """Inspection of a file's links, layouts, types and sizes, which must fit into the file."""

    def __init__(self, h5py: Any, name: str, size: int) -> None:
        self.h5py, self.name = h5py, name
        self.size = self.room = size
        self.text_room = TEXT_ROOM
        self.seen: set[int] = set()

    def refuse(self, item: Any, what: str) -> InputError:
        """Make the error about one item of the file."""
        return InputError(f"{self.name} has been tampered with: {item.name} {what}")

    def group(self, group: Any, depth: int) -> None:
        """Check a group and everything in it; only hard links are followed."""
        if depth > GROUPS_DEEP:
            raise self.refuse(group, f"lies deeper than {GROUPS_DEEP} groups")
        self.once(group)
        self.attributes(group)
        for name in group:
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise self.refuse(group, f"has a link {name!r} that leads elsewhere")
            item = group[name]
            if isinstance(item, self.h5py.Group):
                self.group(item, depth + 1)
            elif isinstance(item, self.h5py.Dataset):
                self.dataset(item)
            else:
                raise self.refuse(group, f"holds {name!r}, which is neither a group nor a dataset")

    def once(self, item: Any) -> None:
        """Refuse an item that was visited under another name: a cycle would never end."""
        address = self.h5py.h5o.get_info(item.id).addr
        if address in self.seen:
            raise self.refuse(item, "is reached by two names")
        self.seen.add(address)

    def dataset(self, item: Any) -> None:
        """Check one array: stored in the file, uncompressed and complete, of numbers or strings."""
        self.once(item)
        self.attributes(item)
        if bytes(item.attrs.get("NAME", b"")).startswith(BARE_DIMENSION):
            return
        plan, h5d = item.id.get_create_plist(), self.h5py.h5d
        if plan.get_external_count():
            raise self.refuse(item, "keeps its values in another file")
        if plan.get_layout() not in (h5d.CONTIGUOUS, h5d.COMPACT) or plan.get_nfilters():
            raise self.refuse(item, "is compressed, in chunks or virtual")
        text = self.h5py.check_string_dtype(item.dtype) is not None
        if not text and (item.dtype.kind not in "iuf" or self.h5py.check_enum_dtype(item.dtype) is not None):
            raise self.refuse(item, f"is of type {item.dtype}, neither numbers nor strings")
        if item.id.get_storage_size() < item.nbytes:
            raise self.refuse(item, f"claims {item.nbytes} bytes and has {item.id.get_storage_size()}")
        self.room -= item.nbytes
        if self.room < 0:
            raise self.refuse(item, "and others claim more bytes than the file has")
        if text:
            self.strings(item)

    def strings(self, item: Any) -> None:
        """Measure strings, few enough at a time that even the longest fit in memory."""
        if item.ndim > 2:
            raise self.refuse(item, "is an array of strings with many dims")
        step = max(1, TEXT_ROOM // self.size)
        for row in np.ndindex(item.shape[:-1]):
            for first in range(0, item.shape[-1] if item.ndim else 1, step):
                block = item[(*row, slice(first, first + step))] if item.ndim else [item[()]]
                self.spend(item, sum(len(text) for text in block))

    def attributes(self, item: Any) -> None:
        """Check attributes: numbers, a few strings, and netCDF's own references."""
        for name in item.attrs:
            if name in REFERENCES:
                continue
            kind = item.attrs.get_id(name)
            size = math.prod(kind.shape or ())
            if self.h5py.check_string_dtype(kind.dtype) is not None:
                if size > TEXTS:
                    raise self.refuse(item, f"has an attribute {name!r} of {size} strings")
                value = item.attrs[name]
                self.spend(item, sum(map(len, value)) if kind.shape else len(value))
            elif kind.dtype.kind not in "iuf" or size * kind.dtype.itemsize > self.size:
                raise self.refuse(item, f"has an attribute {name!r} of type {kind.dtype}")

    def spend(self, item: Any, length: int) -> None:
        """Add to the total length of strings, and refuse too much."""
        self.text_room -= length
        if self.text_room < 0:
            raise self.refuse(item, f"and others hold more than {TEXT_ROOM} characters")
