"""Declaration of a family in PyMC, its priors and its rows, by dispatch on the family."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from mixtures.data.table import Data
from mixtures.families.family import Family
from mixtures.families.parameters import Parameter

__all__ = ["declare_components", "declare_rows"]


@singledispatch
def declare_components(
    family: Family, data: Data, n_components: int, named: Mapping[str, Parameter]
) -> tuple[Any, dict[str, Any]]:
    """Declare the components' priors in the model on the context stack.

    A family's distribution module registers its own version. Variables carry the names and
    dims of ``named``; shapes are static numbers, so that JAX compiles the graph; variables
    hold all clusters, never a single one.

    Parameters
    ----------
    family : Family
        A family with a concrete prior.
    data : Data
        Checked data.
    n_components : int
        Number of clusters K.
    named : dict of Parameter
        By the name that a parameter has in the family, its name and dims in the model.

    Returns
    -------
    tuple of type and dict
        The mixture distribution of the rows, and its arguments beside the weights.
    """
    raise NotImplementedError(f"{type(family).__name__} is not registered with declare_components")


@singledispatch
def declare_rows(family: Family, data: Data, alpha: Any) -> None:
    """Declare the components' priors and the observed rows ``x`` in the model on the context stack.

    By default these are rows of the distribution that `declare_components` says; a family may
    register a version of its own instead, whose variables carry the names and dims of ``family.dims``.

    Parameters
    ----------
    family : Family
        A family with a concrete prior.
    data : Data
        Checked data.
    alpha : TensorVariable, shape (K,)
        The weights.
    """
    own = {each.name: each for each in family.parameters}
    kind, params = declare_components(family, data, alpha.type.shape[0], own)
    kind.of_rows(data, alpha, **params)
