"""How much of a posterior may lie where a cluster has no rows, and the evidence by Laplace behind it."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy.special import betaln, gammaln, logsumexp

import mixtures as mx
from mixtures.data.reading import as_data
from mixtures.diagnostics.questions import Case, _unvisited
from mixtures.em.information import observed_information
from mixtures.posterior import emptied
from mixtures.posterior.emptied import likely_share_without_rows, share_without_rows
from tests import exact_evidence

RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(400, 2)) @ [[1.0, 0.4], [0.0, 2.0]]
COINS = (RNG.random((300, 3)) < [0.3, 0.5, 0.8]).astype(float)
LEVELS = np.column_stack([RNG.choice(3, 300, p=[0.2, 0.3, 0.5]), RNG.choice(2, 300, p=[0.4, 0.6])])
COUNTS = RNG.poisson([3.0, 9.0], (200, 2))


def of_levels(rows, prior):
    """Log evidence of levels under a Dirichlet prior: every item by itself."""
    log = 0.0
    for column, kept in zip(rows.T, prior.concentration, strict=True):
        counts = np.bincount(column)
        a = kept[: len(counts)]
        log += gammaln(a.sum()) - gammaln(a.sum() + len(rows)) + (gammaln(a + counts) - gammaln(a)).sum()
    return log


def of_counts(rows, prior):
    """Log evidence of counts under a Gamma prior."""
    a, b, n = prior.alpha, prior.beta, len(rows)
    after = gammaln(a + rows.sum(axis=0)) - (a + rows.sum(axis=0)) * np.log(b + n)
    return (a * np.log(b) - gammaln(a) + after).sum() - gammaln(rows + 1).sum()


NORMAL = mx.priors.NormalInverseWishart(mean=0.0, kappa=0.5, nu=5.0, Psi=2 * np.eye(2))


@pytest.mark.parametrize(
    ("spec", "X", "exact"),
    [
        (mx.GMM(1, prior=NORMAL), ROWS, exact_evidence.gaussian),
        (mx.BMM(1, prior=mx.priors.Beta(2.0, 3.0)), COINS, exact_evidence.bernoulli),
        (mx.LCA(1, prior=mx.priors.Dirichlet(2.0)), LEVELS, of_levels),
        (mx.PMM(1, prior=mx.priors.Gamma(2.0, 0.5)), COUNTS, of_counts),
    ],
    ids=["GMM", "BMM", "LCA", "PMM"],
)
def test_laplaces_evidence_of_one_cluster_is_nearly_exact(spec, X, exact):
    em = mx.fit_em(spec, X, random_seed=0)
    found = em.log_posterior + observed_information(em.spec, X, em.params).log_volume
    assert found == pytest.approx(exact(np.asarray(X), em.spec.prior), abs=0.1)


def test_laplaces_evidence_of_clusters_far_apart_is_nearly_exact():
    """Every row has its cluster, so the evidence is that of the clusters and of their sizes."""
    X = np.concatenate([ROWS[:150], ROWS[150:] + 200])
    em = mx.fit_em(mx.GMM(2, prior=NORMAL, weight_concentration=3.0), X, random_seed=0)
    found = em.log_posterior + observed_information(em.spec, X, em.params).log_volume
    exact = exact_evidence.gaussian(X[:150], em.spec.prior) + exact_evidence.gaussian(X[150:], em.spec.prior)
    assert found == pytest.approx(exact + betaln(3 + 150, 3 + 250) - betaln(3, 3), abs=0.2)


@dataclass
class Whole:
    """All of a posterior in the place of a mode."""

    log_evidence: float


def exact_share(X, spec):
    """Odds of allocations to one of two clusters against all allocations, and the log evidence."""
    prior, a, n = spec.prior, spec.weight_concentration, len(X)
    logs = []
    for z in product([0, 1], repeat=n):
        here = np.array(z, dtype=bool)
        sizes = np.array([here.sum(), n - here.sum()])
        prior_mass = betaln(*(a + sizes)) - betaln(a, a)
        clusters = [exact_evidence.bernoulli(X[rows], prior) for rows in (here, ~here)]
        logs.append(prior_mass + sum(clusters))
    total = logsumexp(logs)
    return np.exp(logsumexp([logs[0], logs[-1]]) - total), total


def test_the_share_is_that_of_the_allocations_that_leave_a_cluster_empty():
    X, prior = COINS[:9], mx.priors.Beta(3.0, 3.0)
    for concentration in (1.0, 5.0):
        spec = mx.BMM(2, prior=prior, weight_concentration=concentration)
        share, total = exact_share(X, spec)
        whole = Whole(total - np.log(2))  # a mode stands for itself and its relabelling
        data = as_data(X)
        found = share_without_rows(spec, [whole], data, np.random.default_rng(0))
        odds = found / (1 - found)  # to all, not to the rest
        assert share < odds < 5 * share


def test_with_the_evidence_of_one_cluster_less_it_is_exact(monkeypatch):
    X, spec = COINS[:9], mx.BMM(2, prior=mx.priors.Beta(3.0, 3.0), weight_concentration=1.5)
    monkeypatch.setattr(emptied, "_bound", lambda *_: exact_evidence.bernoulli(X, spec.prior))
    share, total = exact_share(X, spec)
    found = share_without_rows(spec, [Whole(total - np.log(2))], as_data(X), np.random.default_rng(0))
    assert found / (1 - found) == pytest.approx(share, rel=1e-9)


def test_rows_without_an_observed_cell_fill_no_cluster():
    X, spec = COINS[:9], mx.BMM(2, prior=mx.priors.Beta(3.0, 3.0))
    _, total = exact_share(X, spec)
    blank = np.vstack([X, np.full((50, 3), np.nan)])
    shares = [
        share_without_rows(spec, [Whole(total)], as_data(rows, missing="integrate"), np.random.default_rng(0))
        for rows in (X, blank)
    ]
    assert shares[1] == pytest.approx(shares[0], rel=0.5)


def test_many_rows_of_a_fourth_overlapping_cluster_leave_none_empty():
    """The likelihood of three clusters alone, without the volume of their posterior, could not tell."""
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0], [2, 0], [0, 2.5], [3, 3]])
    X = centres[rng.integers(4, size=10_000)] + rng.normal(size=(10_000, 2))
    em = mx.fit_em(mx.GMM(4), X, n_init=2, random_seed=1)
    peak = Whole(em.log_posterior + observed_information(em.spec, X, em.params).log_volume)
    assert share_without_rows(em.spec, [peak], as_data(X), rng) < 1e-6


def test_independent_draws_are_refused_where_a_wide_prior_hides_an_empty_cluster():
    X = np.concatenate([RNG.normal(size=(7, 2)), RNG.normal(size=(7, 2)) + 3])
    prior = mx.priors.NormalInverseWishart(mean=0.0, kappa=1e-10, nu=6.0, Psi=4 * np.eye(2))
    with pytest.raises(mx.NoApproximation, match="a cluster may have no rows"):
        mx.sample(mx.GMM(2, prior=prior), X, sampler="laplace", draws=250, random_seed=1, progressbar=False)


def few_odd_rows(kappa):
    """Three rows beside sixty, a model that takes them for a cluster, and the exact odds that it is empty.

    They are of all allocations that differ in one row at most from that of the mode, and from the empty one.
    """
    rng = np.random.default_rng(1)
    X = rng.normal(size=(60, 2))
    X[-3:] = 0.3 * X[-3:] + 4
    prior = mx.priors.NormalInverseWishart(mean=0.0, kappa=kappa, nu=5.0, Psi=2 * np.eye(2))

    def log_joint(there):
        sizes = np.array([there.sum(), (~there).sum()])
        parts = [exact_evidence.gaussian(X[rows], prior) for rows in (there, ~there) if rows.any()]
        return betaln(*(1 + sizes)) + sum(parts)

    def about(there):
        return logsumexp([log_joint(there), *(log_joint(there ^ one) for one in np.eye(60, dtype=bool))])

    mode = np.arange(60) >= 57
    return X, mx.GMM(2, prior=prior), about(np.zeros(60, dtype=bool)) - about(mode)


@pytest.mark.parametrize("kappa", [1e-12, 1e-9, 1e-7, 1e-2])
def test_the_likely_share_is_near_the_exact_one(kappa):
    """Within two nats: Laplace's approximation misses the skewness of a covariance of three rows."""
    X, spec, log_odds = few_odd_rows(kappa)
    em = mx.fit_em(spec, X, random_seed=0)
    assert em.params["alpha"].min() < 0.06
    found = likely_share_without_rows(em.spec, em, as_data(X))
    assert np.log(found) - np.log1p(-found) == pytest.approx(log_odds, abs=2)


@pytest.mark.parametrize(("visits", "passed"), [(0.0, False), (0.02, False), (0.9, True)])
def test_a_sample_that_has_not_been_where_a_cluster_has_no_rows_calls_for_care(visits, passed):
    X, spec, _ = few_odd_rows(1e-9)
    em = mx.fit_em(spec, X, random_seed=0)
    rng = np.random.default_rng(0)
    small = np.where(rng.random((4, 500)) < visits, rng.beta(1, 61, (4, 500)), rng.beta(4, 58, (4, 500)))
    alpha = xr.DataArray(np.stack([1 - small, small], -1), dims=("chain", "draw", "cluster"))
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"alpha": alpha})})
    found = _unvisited(Case(tree, em.spec, as_data(X), em), em.spec, as_data(X), em)
    assert found.caution
    assert found.passed == passed


def test_of_labelled_rows_and_of_a_single_cluster_no_share_is_estimated():
    X, spec, _ = few_odd_rows(1e-9)
    em = mx.fit_em(spec, X, labels=[0, *[-1] * 59], random_seed=0)
    assert np.isnan(likely_share_without_rows(em.spec, em, as_data(X, labels=[0, *[-1] * 59])))
    one = mx.fit_em(mx.GMM(1), X)
    assert likely_share_without_rows(one.spec, one, as_data(X)) == 0
