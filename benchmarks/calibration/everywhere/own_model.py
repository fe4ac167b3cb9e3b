"""A user's own `pymc.Model`, with priors that are not conjugate, as something that can be simulated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
from scipy import stats
from scipy.special import logsumexp

import mixtures as mx
from benchmarks.calibration.everywhere.drawing import CHAINS, DRAWS, in_order, kept
from mixtures.types import Array

DIMS = {"alpha": ("cluster",), "mu": ("cluster",), "sd": ("cluster",)}
SPREAD, WIDTH, CONCENTRATION = 3.0, 1.5, 2.0
"""Scales of the normal prior of mu and the half-normal prior of sd; concentration of the weights."""


@dataclass(frozen=True)
class OwnModel:
    """Two clusters on the line: weights Dirichlet, means normal, standard deviations half-normal.

    Attributes
    ----------
    name, page : str
        As in `Study`.
    n_rows : int
        Rows of every data set.
    one_in : int
        Every data set is a model of its own, which is compiled: fewer are used.
    """

    name: str
    page: str
    n_rows: int = 40
    one_in: int = 4

    def simulate(self, rng: np.random.Generator) -> tuple[dict[str, Array], Array]:
        """Draw from the priors and from the mixture by NumPy."""
        truth = {
            "alpha": rng.dirichlet([CONCENTRATION] * 2),
            "mu": rng.normal(0, SPREAD, 2),
            "sd": np.abs(rng.normal(0, WIDTH, 2)),
        }
        z = rng.choice(2, size=self.n_rows, p=truth["alpha"])
        return truth, rng.normal(truth["mu"][z], truth["sd"][z])[:, None]

    def draw(self, data: Array, rng: np.random.Generator) -> tuple[dict[str, Array], float] | None:
        """Draw by `mx.sample` from the model that a user would write."""
        with pm.Model(coords={"cluster": range(2)}) as model:
            alpha = pm.Dirichlet("alpha", np.full(2, CONCENTRATION), dims="cluster")
            mu = pm.Normal("mu", 0, SPREAD, dims="cluster")
            sd = pm.HalfNormal("sd", WIDTH, dims="cluster")
            mx.GaussianMixture("x", alpha=alpha, mu=mu[:, None], sigma2=sd[:, None] ** 2, observed=data)
        tree = mx.sample(
            model,
            chains=CHAINS,
            draws=DRAWS,
            random_seed=rng,
            log_likelihood=False,
            progressbar=False,
        )
        return kept(tree, DIMS)

    def quantities(self, params: Mapping[str, Array], data: Any) -> dict[str, Array]:
        """Log-likelihood and log prior by SciPy, and the parameters, clusters in the order of mu."""
        alpha, mu, sd = (params[name][:, None] for name in DIMS)
        log_rows = logsumexp(np.log(alpha) + stats.norm(mu, sd).logpdf(data[None]), axis=-1)
        log_prior = stats.norm(0, SPREAD).logpdf(mu) + stats.halfnorm(0, WIDTH).logpdf(sd)
        log_weights = (CONCENTRATION - 1) * np.log(alpha)
        return {
            "log-likelihood": log_rows.sum(axis=1),
            "log prior": (log_prior + log_weights).sum(axis=(1, 2)),
        } | in_order(params, DIMS, params["mu"])
