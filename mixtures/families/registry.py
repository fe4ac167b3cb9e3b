"""The models of the package, and recognising a model from its variables."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mixtures.arguments import check_kind
from mixtures.families.family import Family
from mixtures.families.mixture import Mixture

__all__ = ["MODELS", "recognise", "recognise_mixture", "resolve"]


def resolve(spec: Mixture, X: Any, *, weights: Any = None, missing: str | None = None) -> Mixture:
    """Make the "default" prior of a model concrete from the data.

    Parameters
    ----------
    spec : Mixture
        A model; returned with the same prior if that is already concrete.
    X : array_like or frame, shape (n, D)
        The data; chunks and Dask collections as in `fit_em`.
    weights : array_like, shape (n,), optional
        Frequency weight of each row.
    missing : {None, "integrate"}, optional
        Whether cells may be missing, as in `fit_em`.

    Returns
    -------
    Mixture
        The model with every hyperparameter a number; it is not resolved again. It
        knows the names of the columns, ``spec.features``, of its prior. Columns of
        other data with names are matched by name, and by position where either has
        none. A prior that you state is matched by name where its numbers have names, as a Series such as
        ``X.mean()`` or a DataFrame does. Arrays, and ``em.params``, have none: without ``features``
        they go by position.

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
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    data = spec.rows(X, weights, missing)
    spec = spec.named(data)
    spec.check(data)
    return replace(spec, prior=spec.family.resolve(data, spec.n_components).prior)


def recognise_mixture(dims: Mapping[str, tuple[Any, ...]], n_components: int) -> Mixture | None:
    """Model, without its prior, whose component parameters are these variables; or None."""
    for model in Mixture.__subclasses__():
        for spec in model.variants():
            if all(dims.get(name) == expected for name, expected in spec.family.dims.items()):
                return replace(spec, n_components=n_components)
    return None


def recognise(dims: Mapping[str, tuple[Any, ...]]) -> Family | None:
    """Family whose parameters have the names and dims of these variables; or None."""
    return found.family if (found := recognise_mixture(dims, 1)) else None


MODELS: dict[str, type[Mixture]] = {model.__name__.lower(): model for model in Mixture.__subclasses__()}
"""Models by the name they have on the command line; `mixtures.families` imports them all."""
