"""Does EM find the best mode, and is it right when it says so? ``python -m benchmarks.hard --seeds 12``.

Problems with many modes, of several kinds. For each the best mode known is the highest of the default fit and
of EM from 100 starts at random rows, from 60 at the neighbourhoods of random rows, and from the clusters that
the rows were drawn from. Prints how often the default fit reaches it, and how often a lower one was called
confirmed. ``docs/known.md`` shows the table.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

import mixtures as mx
from mixtures.data.table import Data
from mixtures.em.batch import advance
from mixtures.em.problem import problem_of
from mixtures.families.mixture import Mixture
from mixtures.types import Array

RANDOM_ROWS, NEIGHBOURS = 100, 60
"""Starts beside the default fit's own."""


STEPS, ENDS = 200, 4
"""Iterations of these starts together, and how many of the highest then go on to the end."""


SAME = 0.01
"""Nats below which a mode counts as the best."""


@dataclass(frozen=True)
class Case:
    """Rows, the clusters they were drawn from, and the models that are fitted to them."""

    X: Array
    labels: np.ndarray
    specs: tuple[Mixture, ...]


def drawn(rng: np.random.Generator, sizes: list[int], mu: Array, sd: Array) -> tuple[Array, np.ndarray]:
    """Normal rows of clusters with these sizes, means (K, D), and standard deviations (K,) or (K, D)."""
    z = np.repeat(np.arange(len(sizes)), sizes)
    return mu[z] + np.reshape(sd, (len(sizes), -1))[z] * rng.normal(size=(len(z), mu.shape[1])), z


def tight(rng: np.random.Generator) -> Case:
    """Three tight clusters of 40 rows in a square of 500."""
    square = rng.uniform(-10, 10, size=(500, 2))
    rows, z = drawn(rng, [40] * 3, rng.uniform(-8, 8, size=(3, 2)), np.full(3, 0.02))
    return Case(np.vstack([square, rows]), np.r_[np.zeros(500, int), z + 1], (mx.GMM(4),))


def small(rng: np.random.Generator) -> Case:
    """Two small clusters of 20 rows, sd 0.2, in two wide ones of 200."""
    mu = np.vstack([[[-2.0, 0, 0], [2.0, 0, 0]], rng.normal(0, 2, size=(2, 3))])
    return Case(*drawn(rng, [200, 200, 20, 20], mu, np.array([1.5, 1.5, 0.2, 0.2])), (mx.GMM(4),))


def concentric(rng: np.random.Generator) -> Case:
    """Three clusters inside one another, of sds 0.3, 1.2 and 5."""
    mu = rng.normal(0, 0.3, size=(3, 3))
    rows, z = drawn(rng, [100, 100, 100], mu, np.array([0.3, 1.2, 5.0]))
    return Case(rows, z, (mx.GMM(3), mx.GMM(3, covariance_type="spherical")))


def unequal(rng: np.random.Generator) -> Case:
    """Five clusters of random shares, places and scales."""
    sizes = np.maximum(8, rng.dirichlet(np.ones(5)) * 400).astype(int)
    rows, z = drawn(rng, list(sizes), rng.normal(0, 3, (5, 3)), np.exp(rng.normal(0, 0.8, (5, 3))))
    return Case(rows, z, (mx.GMM(5), mx.GMM(5, covariance_type="diag")))


def tails(rng: np.random.Generator) -> Case:
    """Three clusters of Student's t with two degrees of freedom."""
    z = np.repeat(np.arange(3), 120)
    scale = np.sqrt(rng.chisquare(2, size=(360, 1)) / 2)
    return Case(rng.normal(0, 4, (3, 2))[z] + rng.normal(size=(360, 2)) / scale, z, (mx.GMM(3),))


def duplicates(rng: np.random.Generator) -> Case:
    """Three round clusters with two groups of 15 rows that are nearly the same."""
    mu = rng.normal(0, 3, (5, 2))
    rows, z = drawn(rng, [100, 100, 100, 15, 15], mu, np.array([1, 1, 1, 1e-3, 1e-3]))
    return Case(rows, z, (mx.GMM(5), mx.GMM(5, covariance_type="diag")))


def few(rng: np.random.Generator) -> Case:
    """Four clusters of random scales in five columns, of which two or three are fitted."""
    z = rng.choice(4, 200, p=rng.dirichlet(np.ones(4) * 1.5))
    mu, sd = rng.normal(0, 3, (4, 5)), np.exp(rng.normal(0, 0.8, (4, 5)))
    specs = mx.GMM(2, covariance_type="diag"), mx.GMM(3, covariance_type="diag")
    return Case(mu[z] + sd[z] * rng.normal(size=(200, 5)), z, specs)


KINDS: dict[str, Callable[[np.random.Generator], Case]] = {
    "tight clusters in a wide background": tight,
    "small clusters in wide ones": small,
    "concentric": concentric,
    "unequal scales and shares": unequal,
    "heavy tails": tails,
    "near-duplicates": duplicates,
    "fewer clusters than there are": few,
}


def moments(rows: Array, spec: Mixture) -> Array:
    """Covariance of rows, or variances, as the model has them; a little wider than it is."""
    covariance = np.cov(rows.T) + 1e-9 * np.eye(rows.shape[1])
    if "Sigma" in spec.family.dims:
        return covariance
    variances = np.diag(covariance)
    return variances if spec.covariance_type == "diag" else variances.mean()


def starts(case: Case, spec: Mixture, rng: np.random.Generator) -> Iterator[dict[str, Array]]:
    """Starts at random rows with the covariance of the data, and with that of their neighbours."""
    X, k = case.X, spec.n_components
    name, wide = "Sigma" if "Sigma" in spec.family.dims else "sigma2", moments(X, spec)
    for i in range(RANDOM_ROWS + NEIGHBOURS):
        rows = rng.choice(len(X), k, replace=False)
        local = 0 if i < RANDOM_ROWS else int(rng.integers(1, k + 1))
        scales = []
        for row in rows[:local]:
            m = int(np.exp(rng.uniform(np.log(2 * X.shape[1] + 2), np.log(len(X) / (2 * k)))))
            near = np.argsort(((X - X[row]) ** 2).sum(axis=1))[:m]
            scales.append(moments(X[near], spec))
        yield {"alpha": np.full(k, 1 / k), "mu": X[rows], name: np.stack([*scales, *[wide] * (k - local)])}


def best_known(case: Case, spec: Mixture, rng: np.random.Generator) -> float:
    """The highest log posterior that starts other than the default's reach."""
    problem = problem_of(spec, spec.rows(case.X, None, None, None), None, None, False)
    assert isinstance(problem.data, Data)
    checked = [problem.check(start) for start in starts(case, spec, rng)]
    runs = sorted(advance(problem, problem.data, checked, STEPS), key=lambda run: -run.height)
    begin = [run.params for run in runs[:ENDS]]
    begin += [case.labels] if case.labels.max() < spec.n_components else []
    return max(mx.fit_em(spec, case.X, start=start).log_posterior for start in begin)


@dataclass
class Count:
    """How the default fits of a kind of case ended."""

    fits: int = 0
    reached: int = 0
    confirmed: int = 0
    wrong: int = 0

    def line(self, name: str) -> str:
        """A line of the table."""
        share = 100 * self.reached / max(1, self.fits)
        return f"| {name} | {self.fits} | {share:.0f} % | {self.confirmed} | {self.wrong} |"


HEAD = """| problems | fits | reach the best known | confirmed | confirmed on a lower one |
|---|---|---|---|---|"""


def main() -> None:
    """Fit the problems and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hard", description=__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="data sets of every kind")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts = {name: Count() for name in options.kinds}
    for seed in range(options.first, options.first + options.seeds):
        for name, count in counts.items():
            case = KINDS[name](np.random.default_rng(seed))
            for spec in case.specs:
                fit = mx.fit_em(spec, case.X, random_seed=seed)
                short = best_known(case, spec, np.random.default_rng([seed, 1])) - fit.log_posterior
                count.fits += 1
                count.reached += short < SAME
                count.confirmed += fit.restarts.confirmed
                count.wrong += fit.restarts.confirmed and short >= SAME
                if short >= SAME:
                    print(f"{name}, seed {seed}, {spec}: {short:.2f} nats short; {fit.restarts}", flush=True)
    print("\n".join([HEAD, *(count.line(name) for name, count in counts.items())]))


if __name__ == "__main__":
    main()
