"""Models with concrete priors, truths and rows drawn from them, and what truths and draws are compared in."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import mixtures as mx
from benchmarks.calibration.prior import draw_prior
from mixtures.families.mixture import Mixture
from mixtures.types import Array


@dataclass(frozen=True)
class Case:
    """A model with a concrete prior, how many rows are simulated, and where densities are compared.

    Attributes
    ----------
    name : str
        What the docs call it.
    spec : GMM or BMM
        The model; its prior is never resolved from simulated data.
    points : ndarray, shape (m, D)
        Rows whose density under the mixture is ranked.
    n_rows : int
        Rows in every simulated data set.
    """

    name: str
    spec: Mixture
    points: Array
    n_rows: int = 40

    @property
    def key(self) -> str:
        """Component parameter whose first feature orders the clusters, in truths and draws alike."""
        return next(iter(self.spec.family.dims))


CASES = (
    Case(
        "GMM, D=1, K=2",
        mx.GMM(
            2,
            prior=mx.priors.NormalInverseWishart(mean=[1.0], kappa=0.2, nu=5.0, Psi=[[3.0]]),
            weight_concentration=2.0,
        ),
        np.array([[-1.0], [1.0], [3.0]]),
    ),
    Case(
        "GMM, D=2, K=2",
        mx.GMM(
            2,
            prior=mx.priors.NormalInverseWishart(
                mean=[1.0, -2.0], kappa=0.2, nu=7.0, Psi=[[4.0, 1.0], [1.0, 3.0]]
            ),
            weight_concentration=2.0,
        ),
        np.array([[1.0, -2.0], [3.0, -2.0], [0.0, 0.0]]),
    ),
    Case(
        "BMM, D=6, K=2",
        mx.BMM(2, prior=mx.priors.Beta([1.5, 1.5, 1.0, 1.0, 2.0, 0.7], 1.0), weight_concentration=2.0),
        np.array([[0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]], dtype=float),
    ),
)


@dataclass(frozen=True)
class Simulation:
    """Parameters drawn from the prior, and rows drawn from them."""

    truth: Mapping[str, Array]
    X: Array


def simulate(case: Case, number: int, seed: int) -> list[Simulation]:
    """Draw truths and rows; each simulation has a stream of its own, so that more of them add to fewer."""
    simulations = []
    for stream in np.random.SeedSequence(seed).spawn(number):
        rng = np.random.default_rng(stream)
        truth = draw_prior(case.spec, case.points.shape[1], rng)
        simulations.append(Simulation(truth, case.spec.sample(truth, case.n_rows, rng)[0]))
    return simulations


def quantities(case: Case, params: Mapping[str, Array], X: Array) -> dict[str, Array]:
    """What truths and draws are compared in, each (S,), from parameters with a leading axis of S draws.

    No labels enter: clusters stand in the order of the first feature of ``mu`` or ``p``.
    """
    number, spec = len(params["alpha"]), case.spec
    draws = [{name: value[s] for name, value in params.items()} for s in range(number)]
    rows = np.vstack([X, case.points])
    logs = np.array([spec.log_likelihood(rows, draw) for draw in draws])
    found = {
        "log-likelihood": logs[:, : len(X)].sum(axis=1),
        "log prior": np.array([spec.log_prior(draw) for draw in draws]),
    }
    for point, log_density in zip(case.points, logs[:, len(X) :].T, strict=True):
        found[f"density at ({', '.join(f'{value:g}' for value in point)})"] = log_density
    order = np.argsort(params[case.key][:, :, 0], axis=1)
    for name, value in params.items():
        if "cluster" in spec.dims[name]:
            value = np.take_along_axis(value, order.reshape(order.shape + (1,) * (value.ndim - 2)), axis=1)
        for index in np.ndindex(value.shape[1:]):
            last_weight = name == "alpha" and index[0] == spec.n_components - 1  # one minus the others
            mirrored = name == "Sigma" and index[-1] < index[-2]
            if not (last_weight or mirrored):
                found[f"{name}[{','.join(map(str, index))}]"] = value[(slice(None), *index)]
    return found
