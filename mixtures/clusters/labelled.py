"""Which variables of a posterior sample have cluster labels, along which axis, and how to permute them.

A tree made with its model records this: ``attrs["cluster_axes"]`` states for every
variable the axis that is permuted with the labels, that there is none, or that it
is another function of the parameters, to be computed again. ``attrs["labels"]``
says whether the model's labels can be aligned. In other trees the axes are those
with the dim ``cluster``, or the dims that the user names, which the tree then records.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import xarray as xr

from mixtures.clusters.named import as_names, axes_along, cluster_dims, inner
from mixtures.errors import InputError
from mixtures.trees import ANCHORED

__all__ = [
    "ALIGNED",
    "EXCHANGEABLE",
    "FIXED",
    "IN_PLACE",
    "RAW",
    "UNALIGNABLE",
    "Labelled",
    "anchor",
    "anchored_of",
    "interchanged",
    "label_state",
    "not_aligned",
]

EXCHANGEABLE, FIXED, UNALIGNABLE = "exchangeable", "fixed", "unalignable"
"""The density of a model is the same in any order of the labels, positive in only one, or neither."""


ALIGNED, RAW = "aligned", "raw"
"""The labels of a tree are aligned, or as drawn with no known reason against aligning."""


FUNCTION = "function"
"""Marks variables that are neither permuted nor unchanged when labels change, instead of an axis."""


KEPT = "raw_"
"""Prefix of a group with the values of functions of the parameters under raw labels."""


NAMED = "cluster_dims"
"""Attribute of a tree: the dims that index clusters, as the user named them."""


GROUPS = "cluster_variables"
"""Attribute of a tree: variables that change places as wholes, one of every cluster."""


MIRRORS = "cluster_mirrors"
"""Attribute of a tree: variables that are mirrored where two clusters change places, and at which value."""


NUMBERS = "cluster_numbers"
"""Attribute of a tree: variables whose values are numbers of clusters."""


IN_PLACE = "labels_in_place"
"""Attribute of a tree whose labels cannot be aligned: share of draws that need no relabelling."""


OF_THEIR_OWN = ("prior", "warmup", KEPT)
"""Prefixes of groups with separate draws, which have labels of their own."""


def label_state(tree: xr.DataTree) -> tuple[str, str]:
    """State of a tree's labels, and why they are not aligned (empty if no reason is known)."""
    if "sample_stats" in tree.children and "permutation" in tree["sample_stats"].data_vars:
        return ALIGNED, ""
    state = tree.attrs.get("labels", RAW)
    return (RAW, "") if state not in (FIXED, UNALIGNABLE) else (state, str(tree.attrs.get("labels_why", "")))


def not_aligned(tree: xr.DataTree, so: str) -> InputError:
    """Refusal of a tree without permutation: labels that are fixed, cannot be aligned, or are still to be."""
    state, why = label_state(tree)
    if state == FIXED:
        return InputError(f"the labels of this tree are fixed, so {so}: {why}")
    if state == UNALIGNABLE:
        return InputError(f"the labels of this tree cannot be aligned, so {so}: {why}")
    return InputError(f"this tree is not aligned, so {so}: align it first")


def anchor(tree: xr.DataTree, anchored: Sequence[int] | np.ndarray) -> xr.DataTree:
    """Record in a tree which clusters have labelled rows; nothing where none has."""
    if len(anchored):
        tree.attrs[ANCHORED] = json.dumps([int(k) for k in anchored])
    return tree


def anchored_of(tree: xr.DataTree) -> np.ndarray:
    """Clusters of a tree that have labelled rows."""
    return np.array(json.loads(tree.attrs.get(ANCHORED, "[]")), dtype=np.int64)


@dataclass(frozen=True)
class Labelled:
    """The variables of a tree and how they depend on the labels.

    Attributes
    ----------
    axes : dict of str to int
        Cluster axis of every variable that has one, not counting chain and draw.
    functions : frozenset of str
        Variables computed from the parameters that change with the labels but are not permuted.
    free, derived : frozenset of str
        Free variables of the model, and variables computed from them; both empty
        if the model is unknown.
    numbers : frozenset of str
        Variables whose values are numbers of clusters, such as draws of the cluster of every row.
    named : tuple of str
        Dims that the user said index clusters; empty if nobody did.
    groups : tuple of tuple of str
        Variables that change places as wholes, as ``mu0`` and ``mu1`` do: one of every cluster, in order.
    mirrored : dict of str to float
        Variables that are mirrored at a value where two clusters change places, as ``p`` is at one half if
        the weights are ``[p, 1 - p]``.
    """

    axes: Mapping[str, int]
    functions: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    named: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    mirrored: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        tree: xr.DataTree,
        dim: str | Iterable[str] | None = None,
        numbers: str | Iterable[str] | None = None,
    ) -> Self:
        """Read them from the tree's attributes, from the dims named, or from the dim ``cluster``."""
        values = as_names(json.loads(tree.attrs.get(NUMBERS, "[]")) if numbers is None else numbers)
        found = cls._of(tree, as_names(json.loads(tree.attrs.get(NAMED, "[]")) if dim is None else dim))
        return replace(found, numbers=frozenset(values)) if values else found

    @classmethod
    def _of(cls, tree: xr.DataTree, named: tuple[str, ...]) -> Self:
        groups = tuple(map(tuple, json.loads(tree.attrs.get(GROUPS, "[]"))))
        whole: dict[str, Any] = {"groups": groups, "mirrored": json.loads(tree.attrs.get(MIRRORS, "{}"))}
        if named:
            return cls(axes_along(tree["posterior"].to_dataset(), named), named=named, **whole)
        if "cluster_axes" in tree.attrs:
            stored = json.loads(tree.attrs["cluster_axes"])
            every = {**stored["free"], **stored["derived"]}
            axes = {name: axis for name, axis in every.items() if isinstance(axis, int)}
            functions = frozenset(name for name, axis in every.items() if axis == FUNCTION)
            return cls(axes, functions, frozenset(stored["free"]), frozenset(stored["derived"]), **whole)
        posterior = tree["posterior"].to_dataset()
        return cls(axes_along(posterior, cluster_dims(posterior)))

    def recorded(self, tree: xr.DataTree) -> xr.DataTree:
        """Tree that records what the user said of its clusters."""
        said = {NAMED: list(self.named), NUMBERS: sorted(self.numbers)}
        new = tree.copy()
        new.attrs.pop(NAMED, None)
        new.attrs.update({key: json.dumps(names) for key, names in said.items() if names})
        return new

    def attributes(self) -> dict[str, str]:
        """Attributes of a tree that `of` reads."""
        role = {**self.axes, **dict.fromkeys(self.functions, FUNCTION)}
        every = {"free": self.free, "derived": self.derived}
        axes = {key: {name: role.get(name) for name in sorted(v)} for key, v in every.items()}
        whole = {GROUPS: self.groups, MIRRORS: self.mirrored}
        return {"cluster_axes": json.dumps(axes)} | {key: json.dumps(x) for key, x in whole.items() if x}

    @property
    def known(self) -> frozenset[str]:
        """All variables of a known model."""
        return self.free | self.derived

    def dim(self, variable: xr.DataArray) -> Any:
        """Dim of a posterior variable that holds its clusters, or None."""
        axis = self.axes.get(str(variable.name))
        return None if axis is None else inner(variable)[axis]

    def dims(self, posterior: xr.Dataset) -> set[Any]:
        """Names of all dims that index clusters, and nothing else in any free variable."""
        clusters = {name: self.dim(posterior[name]) for name in self.axes if name in posterior}
        free = [name for name in self.free if name in posterior]
        return set(clusters.values()) - {
            dim for name in free for dim in inner(posterior[name]) if dim != clusters.get(name)
        }

    def canonical(self, posterior: xr.Dataset) -> xr.Dataset:
        """The same draws with every cluster axis, and no other, named ``cluster``.

        Variables that change places are joined into one, along ``cluster``.
        """
        found = {str(name): self._canonical(v) for name, v in posterior.data_vars.items()}
        for group in self.groups:
            if set(group) <= found.keys():
                parts = [found.pop(name).transpose("chain", "draw", ...) for name in group]
                values = np.stack([part.values for part in parts], axis=2)
                dims = ("chain", "draw", "cluster", *parts[0].dims[2:])
                found[joined_name(group)] = xr.DataArray(values, parts[0].coords, dims)
        return xr.Dataset(found)

    @property
    def alone(self) -> frozenset[str]:
        """Free variables by their names in `canonical`."""
        return self.free | {joined_name(group) for group in self.groups if self.free.issuperset(group)}

    def joined(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Values by name, and those of variables that change places also joined as in `canonical`."""
        new = dict(point)
        for group in self.groups:
            parts = [np.asarray(point[name]) for name in group if name in point]
            if len(parts) == len(group) and len({part.shape for part in parts}) == 1:
                new[joined_name(group)] = np.stack(parts)
        return new

    def _canonical(self, variable: xr.DataArray) -> xr.DataArray:
        dim = self.dim(variable)
        names = {d: f"{d}_" for d in inner(variable) if d == "cluster" != dim}
        if dim not in (None, "cluster"):
            names[dim] = "cluster"
        return variable.drop_vars(list(names), errors="ignore").rename(names)

    def permuted(self, tree: xr.DataTree, order: np.ndarray, again: Mapping[str, np.ndarray]) -> xr.DataTree:
        """Return the tree in another order (chain, draw, cluster) of the labels.

        Functions of the parameters take the values given, or are left out. Their
        former values, and those of variables that are mirrored, are kept in a separate group for `restored`.
        """
        dims, new = self.dims(tree["posterior"].to_dataset()), tree.copy()
        for group, node in tree.children.items():
            if group.startswith(OF_THEIR_OWN):
                continue
            own = Labelled({}) if group == "sample_stats" else self  # whose names are the sampler's
            dataset = node.to_dataset()
            moved = {name: own._moved(group, x, order, again, dims) for name, x in dataset.data_vars.items()}
            moved |= own._interchanged(group, dataset, order)
            known = {name: x for name, x in moved.items() if x is not None}
            new[group] = xr.DataTree(dataset.drop_vars(moved.keys() - known.keys()).assign(known))
            changed = own.functions.union(own.mirrored if group == "posterior" else ())
            kept = {name: dataset[name] for name in dataset.data_vars if name in changed}
            if kept:
                new[KEPT + group] = xr.DataTree(xr.Dataset(kept))
        return new

    def _moved(
        self,
        group: str,
        variable: xr.DataArray,
        order: np.ndarray,
        again: Mapping[str, np.ndarray],
        dims: set[Any],
    ) -> xr.DataArray | None:
        """A variable of any group under the new labels; None if its values are not known."""
        name, dim = str(variable.name), self._moving(group, variable, dims)
        if name in self.functions:
            return (
                _replaced(variable, again[name], order) if group != "predictions" and name in again else None
            )
        if name in self.mirrored and group == "posterior":
            image = 2 * self.mirrored[name] - variable.transpose("chain", "draw", ...).values
            return _replaced(variable, image, order)
        if name in self.numbers and {"chain", "draw"} <= set(variable.dims):
            return _renumbered(variable, order)
        if dim is None:
            return variable
        _check_draws(group, variable, order)
        return _taken(variable, dim, order)

    def _interchanged(self, group: str, dataset: xr.Dataset, order: np.ndarray) -> dict[Any, xr.DataArray]:
        """The variables of any group that change places, under the new labels."""
        found: dict[Any, xr.DataArray] = {}
        for names in self.groups:
            there = [dataset[name].transpose("chain", "draw", ...) for name in names if name in dataset]
            if 0 < len(there) < len(names):
                raise InputError(
                    f"{group} has not all of {', '.join(names)}, which change places with the labels: give "
                    "the whole sample"
                )
            for variable in there:
                _check_draws(group, variable, order)
            new = interchanged({str(x.name): x.values for x in there}, [names] if there else [], order)
            found |= {x.name: x.copy(data=new[str(x.name)]).transpose(*dataset[x.name].dims) for x in there}
        return found

    def restored(self, tree: xr.DataTree, stored: np.ndarray) -> xr.DataTree:
        """Return the tree with raw labels, given the raw label ``stored`` for each of its own."""
        other = replace(self, functions=frozenset(), mirrored={})  # whose former values are kept
        new = other.permuted(tree, np.argsort(stored, axis=-1), {})
        for group in [name for name in new.children if name.startswith(KEPT)]:
            of = group.removeprefix(KEPT)
            places = list(tree[of].data_vars)
            dataset = new[of].to_dataset().assign(new[group].to_dataset().data_vars)
            lacking = [name for name in dataset.data_vars if name not in places]
            new[of] = xr.DataTree(dataset[[*places, *lacking]])
            del new[group]
        return new

    def _moving(self, group: str, variable: xr.DataArray, dims: set[Any]) -> Any:
        """Dim of a variable of any group that is permuted with the labels, or None."""
        if not {"chain", "draw"} <= set(variable.dims):
            return None
        name, own = str(variable.name), inner(variable)
        if self.known and (name in self.known or group == "log_likelihood"):
            axis = self.axes.get(name)  # a density lacks the last dims of its variable
            return own[axis] if axis is not None and axis < len(own) else None
        return next((dim for dim in own if dim in dims), None)


def joined_name(group: Sequence[str]) -> str:
    """Name of variables that change places, joined into one."""
    return ", ".join(group)


def interchanged(
    values: Mapping[str, np.ndarray], groups: Iterable[Sequence[str]], order: np.ndarray
) -> dict[str, np.ndarray]:
    """Values (chain, draw, ...) of the variables that change places, in the order (chain, draw, cluster)."""
    new: dict[str, np.ndarray] = {}
    for names in groups:
        stacked = np.stack([values[name] for name in names], axis=2)
        index = order.reshape(*order.shape, *(1 for _ in stacked.shape[3:]))
        moved = np.take_along_axis(stacked, index, axis=2)
        new |= {name: moved[:, :, k] for k, name in enumerate(names)}
    return new


def _check_draws(group: str, variable: xr.DataArray, order: np.ndarray) -> None:
    """Refuse draws other than those of the posterior, whose order they cannot take."""
    if (variable.sizes["chain"], variable.sizes["draw"]) != order.shape[:2]:
        raise InputError(
            f"{group} has {variable.sizes['draw']} draws of {variable.name} a chain and the posterior "
            f"{order.shape[1]}: which belongs to which is not known; drop the group {group}"
        )


def _replaced(variable: xr.DataArray, again: np.ndarray, order: np.ndarray) -> xr.DataArray:
    """The values ``again`` in the draws whose labels are in another order."""
    leading = variable.transpose("chain", "draw", ...)
    moved = (order != np.arange(order.shape[-1])).any(axis=-1)
    moved = moved.reshape(*moved.shape, *(1 for _ in leading.dims[2:]))
    return leading.copy(data=np.where(moved, again, leading.values)).transpose(*variable.dims)


def _renumbered(variable: xr.DataArray, order: np.ndarray) -> xr.DataArray:
    """Numbers of clusters under new labels; negative ones mean no cluster and stay."""
    leading = variable.transpose("chain", "draw", ...)
    values, k = leading.values, order.shape[-1]
    whole = np.asarray(values, dtype=np.int64)
    if leading.shape[:2] != order.shape[:2] or (whole != values).any() or whole.max(initial=0) >= k:
        raise InputError(
            f"{variable.name} must hold numbers of clusters, 0 to {k - 1}, in every draw of the posterior"
        )
    new = np.argsort(order, axis=-1).reshape(*order.shape[:2], *(1 for _ in leading.shape[2:]), k)
    moved = np.take_along_axis(
        np.broadcast_to(new, (*leading.shape, k)), np.maximum(whole, 0)[..., None], axis=-1
    )[..., 0]
    moved = np.where(whole < 0, whole, moved).astype(values.dtype)
    return leading.copy(data=moved).transpose(*variable.dims)


def _taken(variable: xr.DataArray, dim: Any, order: np.ndarray) -> xr.DataArray:
    leading = variable.transpose("chain", "draw", dim, ...)
    index = order.reshape(*order.shape, *(1 for _ in leading.dims[3:]))
    return leading.copy(data=np.take_along_axis(leading.values, index, axis=2)).transpose(*variable.dims)
