"""Declaration of a family in PyMC, its priors and its rows, by dispatch on the family."""

from functools import singledispatch
from typing import Any

from mixtures.data.table import Data
from mixtures.families.family import Family

__all__ = ["declare_rows"]


@singledispatch
def declare_rows(family: Family, data: Data, alpha: Any) -> None:
    """Declare the components' priors and the observed rows ``x`` in the model on the context stack.

    A family's distribution module registers its own version. Variables carry
    the names and dims of ``family.dims``; shapes are static numbers, so that
    JAX compiles the graph; variables hold all clusters, never a single one.

    Parameters
    ----------
    family : Family
        A family with a concrete prior.
    data : Data
        Checked data.
    alpha : TensorVariable, shape (K,)
        The weights.
    """
    raise NotImplementedError(f"{type(family).__name__} is not registered with declare_rows")
