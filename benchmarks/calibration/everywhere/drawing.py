"""A model with a stated prior as something that can be simulated: `mx.sample` draws."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

import mixtures as mx
from benchmarks.calibration.everywhere.loop import KEPT
from benchmarks.calibration.prior import draw_prior
from mixtures.em.estep import e_step
from mixtures.errors import NoApproximation
from mixtures.families.mixture import Mixture
from mixtures.types import Array

CHAINS, DRAWS = 2, 500
"""Of `mx.sample`; one draw in ten is kept, so that they are nearly independent."""


@dataclass(frozen=True)
class Rows:
    """Simulated rows, with weights and known labels if the study has them."""

    X: Array
    weights: Array | None = None
    labels: Array | None = None


@dataclass(frozen=True)
class Study:
    """A model with a stated prior, its data, and the sampler that is calibrated.

    Attributes
    ----------
    name : str
        What the docs call it.
    page : str
        The page of the docs that it is on.
    spec : Mixture
        The model; its prior is made of numbers, never from simulated data.
    n_features, n_rows : int
        Columns and rows of every simulated data set.
    sampler : str
        As in `mx.sample`.
    missing : float
        Share of cells that are missing completely at random.
    labelled : int
        Number of rows whose cluster is known.
    counted : bool
        Whether equal rows are one row with a weight.
    one_in : int
        One simulation in how many is used, for those that take long.
    """

    name: str
    page: str
    spec: Mixture
    n_features: int
    n_rows: int = 40
    sampler: str = "blackjax"
    missing: float = 0.0
    labelled: int = 0
    counted: bool = False
    one_in: int = 1
    points: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Fix two rows at which the density is compared."""
        rng = np.random.default_rng(0)
        rows = [self.spec.sample(self._truth(rng), 1, rng)[0] for _ in range(2)]
        object.__setattr__(self, "points", np.vstack(rows).astype(float))

    def _truth(self, rng: np.random.Generator) -> dict[str, Array]:
        return draw_prior(self.spec, self.n_features, rng)

    @cached_property
    def holes(self) -> np.ndarray:
        """Cells (n, D) that are missing, the same in every data set; every row keeps a cell."""
        rng = np.random.default_rng(1)
        holes = rng.random((self.n_rows, self.n_features)) < self.missing
        whole = holes.all(axis=1)
        holes[whole, rng.integers(self.n_features, size=whole.sum())] = False
        return holes

    def simulate(self, rng: np.random.Generator) -> tuple[dict[str, Array], Rows]:
        """Draw parameters from the prior, and rows from them."""
        truth = self._truth(rng)
        X, z = self.spec.sample(truth, self.n_rows, rng)
        X = np.asarray(X, dtype=float)
        if self.counted:
            _, first, counts = np.unique(X, axis=0, return_index=True, return_counts=True)
            weights = np.zeros(self.n_rows)  # rows of weight 0 keep the shape, and so what was compiled
            weights[first] = counts
            return truth, Rows(X, weights=weights)
        labels = None
        if self.labelled:
            labels = np.where(np.arange(self.n_rows) < self.labelled, z, np.nan)
        return truth, Rows(np.where(self.holes, np.nan, X), labels=labels)

    @property
    def _missing(self) -> str | None:
        return "integrate" if self.missing else None

    def draw(self, data: Rows, rng: np.random.Generator) -> tuple[dict[str, Array], float] | None:
        """Draw by `mx.sample`; keep draws evenly from all chains."""
        try:
            tree = mx.sample(
                self.spec,
                data.X,
                weights=data.weights,
                missing=self._missing,
                labels=data.labels,
                sampler=self.sampler,
                chains=CHAINS,
                draws=DRAWS,
                random_seed=rng,
                log_likelihood=False,
                progressbar=False,
            )
        except NoApproximation:
            return None
        return kept(tree, self.spec.dims)

    def quantities(self, params: Mapping[str, Array], data: Rows) -> dict[str, Array]:
        """Log-likelihood, log prior, densities at fixed rows, and parameters, clusters in one order.

        The order is that of the first number of the clusters' first parameter.
        """
        spec = self.spec
        draws = [{name: value[s] for name, value in params.items()} for s in range(len(params["alpha"]))]
        rows = spec.rows(data.X, data.weights, self._missing, data.labels)
        found = {
            "log-likelihood": np.array([e_step(spec, rows, draw).log_likelihood for draw in draws]),
            "log prior": np.array([float(spec.log_prior(draw)) for draw in draws]),
        }
        densities = np.array([spec.log_likelihood(self.points, draw) for draw in draws])
        for i, values in enumerate(densities.T):
            found[f"density at row {i}"] = values
        key = next(name for name in spec.dims if name != "alpha" and "cluster" in spec.dims[name])
        return found | in_order(params, spec.dims, params[key].reshape(*params[key].shape[:2], -1)[:, :, 0])


def kept(tree: Any, names: Any) -> tuple[dict[str, Array], float]:
    """Draws at even distances from all chains, and the share of divergences."""
    posterior = {name: tree["posterior"][name].values for name in names}
    flat = {name: x.reshape(-1, *x.shape[2:]) for name, x in posterior.items()}
    even = np.linspace(0, len(next(iter(flat.values()))) - 1, KEPT).round().astype(int)
    stats = tree["sample_stats"]
    divergent = float(stats["diverging"].mean()) if "diverging" in stats else 0.0
    return {name: x[even] for name, x in flat.items()}, divergent


def in_order(params: Mapping[str, Array], dims: Mapping[str, Any], key: Array) -> dict[str, Array]:
    """Every free entry of the parameters (S,), clusters in the order of ``key (S, K)``."""
    order, found = np.argsort(key, axis=1), {}
    for name, value in params.items():
        if "cluster" in dims[name]:
            value = np.take_along_axis(value, order.reshape(order.shape + (1,) * (value.ndim - 2)), axis=1)
        for index in np.ndindex(value.shape[1:]):
            sums_to_one = name == "alpha" or dims[name][-1:] == ("category",)
            determined = sums_to_one and index[-1] == value.shape[-1] - 1
            mirrored = name == "Sigma" and index[-1] < index[-2]
            if not (determined or mirrored):
                found[f"{name}[{','.join(map(str, index))}]"] = value[(slice(None), *index)]
    return found
