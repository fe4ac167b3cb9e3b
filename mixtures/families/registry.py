"""The models the package has, and a model found again from its variables."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mixtures.arguments import check_kind
from mixtures.data.sources import as_rows
from mixtures.families.family import Family
from mixtures.families.mixture import Mixture

__all__ = ["MODELS", "recognise", "recognise_mixture", "resolve"]


def resolve(spec: Mixture, X: Any, *, weights: Any = None) -> Mixture:
    """Make the "default" prior of a model concrete from the data.

    Parameters
    ----------
    spec : GMM or BMM
        A model; returned with the same prior if that is already concrete.
    X : array_like or frame, shape (n, D)
        The data; chunks and Dask collections as in `fit_em`.
    weights : array_like, shape (n,), optional
        Frequency weight of each row.

    Returns
    -------
    GMM or BMM
        The model with every hyperparameter a number; nothing resolves it again. It
        knows the names of the columns, ``spec.features``, that its prior is of: where
        it meets other data with names, columns are matched by name, and by position
        where either has none. A prior that you state, and ``em.params``, are arrays
        without names: without ``features`` they go by position.

    Raises
    ------
    InputError
        If the data cannot be modelled, or a prior's shape does not fit them.

    Examples
    --------
    >>> import mixtures as mx
    >>> spec = mx.resolve(mx.GMM(n_components=2), mx.datasets.faithful())
    >>> spec.prior.nu
    4.0
    """
    check_kind(Mixture, "a GMM or BMM", spec=spec)
    data = spec.ordered(as_rows(X, weights), X)
    spec.check(data)
    prior = spec.family.resolve(data, spec.n_components).prior
    return replace(spec, prior=prior, features=data.features)


def recognise_mixture(dims: Mapping[str, tuple[Any, ...]], n_components: int) -> Mixture | None:
    """Model, its prior aside, whose components' parameters a set of variables holds; or None."""
    for model in Mixture.__subclasses__():
        for spec in model.variants():
            if all(dims.get(name) == expected for name, expected in spec.family.dims.items()):
                return replace(spec, n_components=n_components)
    return None


def recognise(dims: Mapping[str, tuple[Any, ...]]) -> Family | None:
    """Family whose parameters a set of variables holds, told by their names and dims; or None."""
    return found.family if (found := recognise_mixture(dims, 1)) else None


MODELS: dict[str, type[Mixture]] = {model.__name__.lower(): model for model in Mixture.__subclasses__()}
"""Models by the name they have on the command line; `mixtures.families` imports them all."""
