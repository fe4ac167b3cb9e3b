"""What `fit_map` returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.brief import model_words, on_a_page, parameter_lines
from mixtures.entries import entry_table
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Status
from mixtures.messages import counted
from mixtures.results.value import Value
from mixtures.tolerances import same_height
from mixtures.trees import make_tree
from mixtures.types import Array

__all__ = ["MAPFit"]


@dataclass(frozen=True, eq=False)
class MAPFit(Value):
    """A posterior mode found on PyMC's log density.

    Attributes
    ----------
    spec : Mixture or None
        The resolved model; None for a user's own.
    params : dict of ndarray
        Free variables at the mode, and deterministics of a user's model.
    log_posterior : float
        Log density there, over the model's own variables (no Jacobian).
    gradient_norm : float
        Largest component of the gradient there, in unconstrained coordinates.
    converged : bool
        Whether the gradient is zero, or the maximum less than 1e-5 posterior sds away by Newton's method.
    found : str
        What kind of point it is: a maximum, flat in named directions, no mode, or
        where an interrupt ended the search.
    log_posteriors : ndarray, shape (n_starts,)
        Log density that every start reached; NaN where it ran off to a degenerate
        cluster. After an interrupt, only the starts that were run.
    dims, coords : dict
        Dims of every variable and coordinates of every dim, for `to_datatree`.
    status : Status
        Whether every start was run, and the best one to the end.
    """

    spec: Mixture | None
    params: dict[str, Array]
    log_posterior: float
    gradient_norm: float
    converged: bool
    found: str
    log_posteriors: Array
    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, Any]
    status: Status = Status.WHOLE

    def summary(self) -> pd.DataFrame:
        """Every entry of the parameters by its label."""
        return entry_table(self.params, self.dims, self.coords, "MAP")

    def __repr__(self) -> str:
        """Show on one page what was found and how certain it is."""
        how = "converged" if self.converged else "not converged"
        return on_a_page(
            f"MAPFit of {model_words(self.spec)}: {how}, {self.found}",
            f"  log posterior {self.log_posterior:.8g}, largest component of its gradient "
            f"{self.gradient_norm:.2g}",
            f"  {self.n_best} of {counted(len(self.log_posteriors), 'start')} reached it",
            parameter_lines(self.params),
        )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns fitted; empty for a user's own model without a dim ``feature``."""
        return tuple(map(str, self.coords.get("feature", ())))

    @property
    def n_best(self) -> int:
        """Number of starts that reached the log density of this mode."""
        return int(np.sum(self.log_posteriors > self.log_posterior - same_height(self.log_posterior)))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search."""
        return self.status is Status.INTERRUPTED

    def to_datatree(self) -> xr.DataTree:
        """One-draw tree with named dims, so that ArviZ plots MAP beside EM and posterior."""
        return make_tree(
            {"posterior": {name: x[None, None] for name, x in self.params.items()}}, self.dims, self.coords
        )
