"""Kinds of cases with known truth, good and bad in one way each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import mixtures as mx
from benchmarks.verdict import real
from mixtures.results.verdict import State
from mixtures.types import Array

HOW: dict[str, Any] = {"progressbar": False}


@dataclass(frozen=True)
class Outcome:
    """What the verdict said of one case: its state, and its first reason."""

    state: str
    reason: str


@dataclass(frozen=True)
class Kind:
    """A kind of case.

    Attributes
    ----------
    name : str
        Short name.
    what : str
        What is right or wrong, for the docs.
    accepted : tuple of State
        States that are right for it.
    judge : callable
        Makes the case of a number, fits it and returns the outcome.
    n_cases : int, optional
        Number of cases there are; by default as many as are asked for.
    """

    name: str
    what: str
    accepted: tuple[State, ...]
    judge: Callable[[int], Outcome]
    n_cases: int | None = None


GOOD = (State.GREEN,)
DOUBTED = (State.AMBER, State.RED)
REFUSED = (State.RED,)


def judged(spec: Any, X: Any, seed: int, **how: Any) -> Outcome:
    """The conclusion of a crosscheck."""
    return outcome_of(mx.crosscheck(spec, X, random_seed=seed, **HOW, **how))


def outcome_of(cc: Any) -> Outcome:
    """The conclusion of a crosscheck, in short."""
    headline = cc.headline
    return Outcome(headline.state.name, headline.reasons[0] if headline.reasons else "")


def clusters(rng: np.random.Generator, n: int, centres: Any) -> Array:
    """Rows of round clusters of equal shares about the centres."""
    centres = np.asarray(centres, dtype=float)
    return centres[np.arange(n) % len(centres)] + rng.normal(size=(n, centres.shape[1]))


def coins(rng: np.random.Generator, n: int) -> Array:
    """Rows of two clusters of eight coins."""
    p = np.array([[0.85] * 4 + [0.15] * 4, [0.2] * 4 + [0.75] * 4])
    return (rng.random((n, 8)) < p[np.arange(n) % 2]).astype(float)


def _good(seed: int) -> Outcome:
    rng = np.random.default_rng(seed)
    match seed % 5:
        case 0:
            return judged(mx.GMM(2), clusters(rng, 250, [[0, 0], [6, 0]]), seed)
        case 1:
            return judged(
                mx.GMM(3, covariance_type="diag"), clusters(rng, 400, [[0, 0], [6, 0], [0, 6]]), seed
            )
        case 2:
            return judged(mx.BMM(2), coins(rng, 300), seed)
        case 3:
            rates = np.array([[1.0, 4.0, 8.0], [6.0, 2.0, 1.0]])
            return judged(mx.PMM(2), rng.poisson(rates[np.arange(300) % 2]), seed)
        case _:
            X = mx.datasets.faithful()
            return judged(mx.GMM(2), X.sample(len(X), replace=True, random_state=seed) + 0.0, seed)


LEFT = "LEFT"
"""In the place of a state: the crosscheck found the best mode by itself, and there is no fault left."""


def _wrong_mode(seed: int) -> Outcome:
    """The mode next to the best, of clusters of unequal scales, as the only start of EM."""
    spec = mx.GMM(3, covariance_type="diag")
    for attempt in range(100):
        rng = np.random.default_rng([seed, attempt])
        shares, centres = rng.dirichlet([1.5] * 4), rng.normal(0, 3, (4, 5))
        scales, z = np.exp(rng.normal(0, 0.8, (4, 5))), rng.choice(4, 200, p=shares)
        X = centres[z] + scales[z] * rng.normal(size=(200, 5))
        best = mx.fit_em(spec, X, random_seed=seed)
        heights = np.asarray(best.restarts.log_posterior)
        lower = np.flatnonzero(heights < best.log_posterior - 1)
        if lower.size:
            start = best.restarts.params[lower[np.argmax(heights[lower])]]
            cc = mx.crosscheck(spec, X, random_seed=seed, start=start, n_init=1, **HOW)
            return Outcome(LEFT, "") if cc.em.log_posterior > best.log_posterior - 0.01 else outcome_of(cc)
    raise RuntimeError("no data with a second mode")


def _too_many(seed: int) -> Outcome:
    X = clusters(np.random.default_rng(seed), 200, [[0, 0], [6, 0]])
    return judged(mx.GMM(4), X, seed)


def _unidentified(seed: int) -> Outcome:
    X = (np.random.default_rng(seed).random((100, 2)) < [0.3, 0.6]).astype(float)
    return judged(mx.BMM(2), X, seed)


def _prior_dominated(seed: int) -> Outcome:
    X = clusters(np.random.default_rng(seed), 100, [[0, 0], [8, 0]])
    prior = mx.priors.NormalInverseWishart(mean=[4.0, 3.0], kappa=30.0, nu=60.0, Psi=300 * np.eye(2))
    return judged(mx.GMM(2, prior=prior), X, seed)


def _few_draws(seed: int) -> Outcome:
    X = clusters(np.random.default_rng(seed), 250, [[0, 0], [6, 0]])
    return judged(mx.GMM(2), X, seed, draws=30, tune=100, chains=2)


def _misfit(seed: int) -> Outcome:
    rng = np.random.default_rng(seed)
    X = rng.exponential(size=(400, 2)) + np.where(np.arange(400) % 2, 0.0, 12.0)[:, None]
    return judged(mx.GMM(2), X, seed)


def _rounded(seed: int) -> Outcome:
    X = np.round(0.25 * clusters(np.random.default_rng(seed), 300, [[0, 0], [24, 24]]))
    return judged(mx.GMM(2), X, seed)


def _outliers(seed: int) -> Outcome:
    X = clusters(np.random.default_rng(seed), 300, [[0, 0], [6, 0]])
    X[:3] += 400
    return judged(mx.GMM(2), X, seed)


def _stuck(seed: int) -> Outcome:
    """A good sample, one of whose four chains hardly moves."""
    X = clusters(np.random.default_rng(seed), 250, [[0, 0], [6, 0]])
    em = mx.fit_em(mx.GMM(2), X, random_seed=seed)
    tree = mx.sample(em.spec, X, em=em, random_seed=seed, **HOW)
    for name in em.spec.dims:
        values = tree["posterior"][name]
        values[3] = values[3, :1].values + 0.01 * (values[3].values - values[3, :1].values)
    rows = tree["log_likelihood"]["x"].copy()
    rows[3] = rows[3, :1].values
    tree["log_likelihood"]["x"] = rows
    verdict = mx.diagnose(tree, spec=em.spec, X=X, em=em)
    return Outcome("GREEN" if verdict.passed else "RED", str(verdict).splitlines()[0])


def _real(cases: tuple[Callable[[], real.Case], ...]) -> Callable[[int], Outcome]:
    def judge(number: int) -> Outcome:
        spec, X, how = cases[number]()
        return judged(spec, X, 1, **how)

    return judge


KINDS = (
    Kind("good", "data from the model, clusters 3 to 6 sd apart, and resampled faithful", GOOD, _good),
    Kind("wrong mode", "EM starts at the mode next to the best, and only there", REFUSED, _wrong_mode),
    Kind("too many clusters", "four clusters for data of two", DOUBTED, _too_many),
    Kind("unidentified", "two clusters for two coins", REFUSED, _unidentified),
    Kind(
        "prior dominates",
        "a stated prior that counts for as much as the data, and disagrees",
        DOUBTED,
        _prior_dominated,
    ),
    Kind("too few draws", "two chains of thirty", REFUSED, _few_draws),
    Kind("misfit", "exponential clusters, fitted by Gaussians", DOUBTED, _misfit),
    Kind("rounding", "rows rounded to four standard deviations", DOUBTED, _rounded),
    Kind("outliers", "one row in a hundred 400 standard deviations away", DOUBTED, _outliers),
    Kind("stuck chain", "one chain of four hardly moves", REFUSED, _stuck),
    Kind(
        "real, sound",
        "Old Faithful whole, in part and in other units; three cultivars of wine by two columns",
        GOOD,
        _real(real.SOUND),
        n_cases=len(real.SOUND),
    ),
    Kind(
        "real, with a fault",
        "a typing error, rounding, too few draws, a prior in other units, too many clusters, too few rows",
        DOUBTED,
        _real(real.FAULTY),
        n_cases=len(real.FAULTY),
    ),
)
