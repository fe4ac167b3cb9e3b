"""Starts of several kinds, and the search that goes on while one kind alone reaches the best optimum."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import all_specs, every_spec, make_rows, spec_id
from scipy.spatial import cKDTree

import mixtures as mx
from mixtures import BMM, GMM, fit_em
from mixtures.data.reading import as_data
from mixtures.em.acceleration import Plain
from mixtures.em.batch import advance
from mixtures.em.climb import JUDGED, Climb
from mixtures.em.dense import dense_groups
from mixtures.em.kinds import KINDS, TREE_ROWS, Sample, swapped
from mixtures.em.pace import is_hopeless
from mixtures.em.problem import Run, problem_of
from mixtures.em.search import search
from mixtures.em.starts import MOST, SHORT_RUNS, SWAP_STEPS, Portfolio, Start, random_starts
from mixtures.interrupts import Interrupted
from mixtures.results.em import SWAP

every_kind = pytest.mark.parametrize("kind", KINDS)


def rng(seed=0):
    return np.random.default_rng(seed)


def sample_of(spec, X, weights=None):
    problem = problem_of(spec, X, weights, None, hard=False)
    return problem, Sample.of(problem.spec, problem.data, rng())


def portfolio(problem, sample, rng, n_init):
    return Portfolio(Climb(problem, None, 100, Plain(), problem.data), sample, rng, n_init)


def nested(seed, n=200, d=5, made=4):
    """Clusters of very different scale, some inside others, where k-means looks for round ones."""
    r = rng(seed)
    shares = r.dirichlet(np.ones(made) * 1.5)
    z = r.choice(made, n, p=shares)
    mu, sd = r.normal(0, 3, (made, d)), np.exp(r.normal(0, 0.8, (made, d)))
    return mu[z] + sd[z] * r.normal(size=(n, d))


@every_kind
@every_spec
def test_every_kind_of_start_gives_parameters_of_every_model(spec, kind):
    X, _ = make_rows(spec, 60)
    problem, sample = sample_of(spec, X)
    for start in random_starts(problem.spec, sample, [kind] * 3, rng()):
        assert start.kind == kind
        problem.check(start.params)
        assert not problem.defects(start.params)
        assert np.isfinite(problem.spec.log_likelihood(X, start.params)).all()


@every_kind
def test_a_kind_of_start_draws_no_row_of_weight_zero(kind):
    X = np.vstack([make_rows(GMM(2), 40)[0], [[1e3, 1e3]] * 20])
    weights = np.repeat([1.0, 0.0], [40, 20])
    problem, sample = sample_of(GMM(2), X, weights)
    for start in random_starts(problem.spec, sample, [kind] * 5, rng()):
        assert np.abs(start.params["mu"]).max() < 100


@every_kind
def test_kinds_of_starts_differ_from_draw_to_draw(kind):
    _, sample = sample_of(GMM(3), make_rows(GMM(3), 80)[0])
    one, two = (KINDS[kind](sample, 3, rng(seed)) for seed in (0, 1))
    assert one.shape == two.shape == (3, 80)
    assert np.abs(one - two).max() > 1e-3


def test_a_hierarchy_of_many_rows_is_that_of_some_of_them():
    X, z = make_rows(GMM(3), 3 * TREE_ROWS, apart=12.0)
    _, sample = sample_of(GMM(3), X)
    labels = KINDS["hierarchical"](sample, 3, rng()).argmax(axis=0)
    table = np.histogram2d(labels, z, bins=3)[0]
    assert table.max(axis=1).sum() > 0.99 * len(X)


def test_whitened_rows_have_unit_covariance_in_the_directions_they_vary_in():
    X = rng().normal(size=(50, 3)) @ np.array([[1.0, 2, 0, 1], [0, 1, 1, 1], [1, 0, 0, 0]])
    z = Sample(X, None, X.mean(axis=0), X.std(axis=0)).whitened
    assert z.shape == (50, 3)
    np.testing.assert_allclose(z.T @ z / 50, np.eye(3), atol=1e-10)


def test_a_start_is_the_best_of_its_short_runs():
    X = nested(3)
    problem, sample = sample_of(GMM(3, covariance_type="diag"), X)

    def height(params):
        return problem.point(problem.check(params)).objective

    drawn = random_starts(problem.spec, sample, ["random rows"] * SHORT_RUNS, rng(1))
    at_once = [height(start.params) for start in drawn]
    (start,) = portfolio(problem, sample, rng(1), 1).draw(1, first=list(KINDS).index("random rows"))
    assert start.kind == "random rows"
    assert height(start.params) > max(at_once)


@pytest.mark.parametrize("spec", [GMM(2), BMM(2)], ids=spec_id)
def test_kinds_take_turns_from_round_to_round(spec):
    X, _ = make_rows(spec, 60)
    problem, sample = sample_of(spec, X)
    kinds = [s.kind for first in (0, 4, 8) for s in portfolio(problem, sample, rng(), 4).draw(4, first)]
    assert kinds == (list(KINDS) * 2)[:12]


def test_clusters_inside_one_another_are_found_that_k_means_alone_misses():
    """Most k-means starts agree here on a mode that is fifty-one nats below the best."""
    X, spec = nested(73), GMM(2, covariance_type="diag")
    problem, sample = sample_of(spec, X)

    def ends(kind):
        starts = random_starts(problem.spec, sample, [kind] * 10, rng())
        return [fit_em(spec, X, start=s.params, accelerate="squarem").log_posterior for s in starts]

    em = fit_em(spec, X, random_seed=1)
    assert em.log_posterior > np.median(ends("k-means")) + 40
    assert em.log_posterior > max(ends("random rows")) - 1e-3
    assert em.restarts.confirmed
    assert sum(em.restarts.reached) == em.restarts.n_best > 1


def test_tight_clusters_in_a_wide_background_are_found():
    """Without starts at dense rows all starts agree here on a mode fourteen nats below, of every kind."""
    r = rng(10)
    square = r.uniform(-10, 10, (250, 2))
    X = np.vstack([square, *(r.uniform(-8, 8, 2) + 0.02 * r.normal(size=(20, 2)) for _ in range(2))])
    known = fit_em(GMM(3), X, start=np.repeat([0, 1, 2], [250, 20, 20]))
    found = fit_em(GMM(3), X, n_init=5, random_seed=1)
    assert found.log_posterior > known.log_posterior - 1e-3


def test_dense_groups_are_apart_and_of_rows_that_may_be_drawn():
    r = rng()
    X = np.vstack(
        [r.uniform(-10, 10, (300, 2)), 5 + 0.01 * r.normal(size=(20, 2)), 0.01 * r.normal(size=(20, 2))]
    )
    everywhere, no_weight = np.full(340, 1 / 340), np.where(np.arange(340) < 320, 1 / 320, 0.0)
    for seed in range(10):
        groups = dense_groups(cKDTree(X), everywhere, 2, 8, rng(seed))
        assert {min(group) // 20 for group in groups} == {15, 16}
        assert all(group.min() >= 300 and len(group) == 8 for group in groups)
        one, other = dense_groups(cKDTree(X), no_weight, 2, 8, rng(seed))
        assert one.min() >= 300
        assert set(other) != set(one)


def test_dense_groups_of_equal_rows():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]], 10, axis=0)
    groups = dense_groups(cKDTree(X), np.full(30, 1 / 30), 3, 5, rng())
    assert [len(group) for group in groups] == [5, 5, 5]
    assert len({tuple(X[group].mean(axis=0)) for group in groups}) == 2


def test_rows_with_missing_cells_are_no_dense_rows():
    X = np.array([[0.0, 1.0], [2.0, np.nan], [3.0, np.nan], [4.0, 5.0], [1.0, 1.0]])
    problem = problem_of(GMM(2), as_data(X, missing="integrate"), None, None, False)
    sample = Sample.of(problem.spec, problem.data, rng())
    np.testing.assert_allclose(sample.complete_shares, [1 / 3, 0, 0, 1 / 3, 1 / 3])


def test_variants_of_k_means_are_no_evidence_for_one_another():
    restarts = fit_em(GMM(2), mx.datasets.faithful(), n_init=3, random_seed=1).restarts
    alike = replace(restarts, kinds=("k-means", "whitened k-means++", "random rows"), best=0.0)
    assert replace(alike, log_posterior=np.array([0.0, 0.0, -5.0])).unconfirmed
    assert replace(alike, log_posterior=np.array([0.0, -5.0, 0.0])).confirmed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [2, 3])
def test_no_start_at_random_rows_ends_above_the_fit(seed, k):
    X, spec = nested(seed), GMM(k, covariance_type="diag")
    em, r = fit_em(spec, X, random_seed=1), rng(seed)
    for _ in range(8):
        mu = X[r.choice(len(X), k, replace=False)]
        start = {"alpha": np.full(k, 1 / k), "mu": mu, "sigma2": np.stack([X.var(axis=0)] * k)}
        found = fit_em(spec, X, start=start, accelerate="squarem", tol=1e-4)
        assert found.log_posterior < em.log_posterior + 1e-2


def test_the_search_ends_when_two_kinds_agree():
    restarts = fit_em(GMM(2), mx.datasets.faithful(), random_seed=1).restarts
    assert len(restarts.kinds) == 10
    assert restarts.confirmed
    assert not restarts.unconfirmed
    assert sum(made for _, made in restarts.by_kind.values()) == 10


def test_a_second_round_is_made_where_the_first_ends_at_several_optima():
    together = fit_em(GMM(2), mx.datasets.faithful(), random_seed=1).restarts
    assert together.share == 1
    assert len(together.kinds) == 10
    apart = fit_em(GMM(2, covariance_type="diag"), nested(40), random_seed=1).restarts
    assert apart.confirmed
    assert apart.share < 1
    assert len(apart.kinds) == 20


def test_a_swap_refutes_what_all_other_starts_of_a_round_agree_on():
    fit = fit_em(GMM(3, covariance_type="diag"), nested(72), random_seed=72)
    others = fit.restarts.log_posterior[:7]
    assert SWAP not in fit.restarts.kinds[:7]
    assert np.ptp(others) < 1e-3
    assert fit.log_posterior > others.max() + 14


@pytest.mark.parametrize("seed", range(3))
def test_a_row_far_away_may_have_a_cluster_of_its_own(seed):
    """Heavy tails, where fits 5.4 nats lower were called confirmed."""
    r = rng(1001)
    r.standard_t(2, (300, 3))
    fit = fit_em(GMM(3), r.standard_t(3, (200, 2)), random_seed=seed)
    assert fit.log_posterior > -731.39
    assert fit.params["alpha"].min() < 0.01


def test_the_search_goes_on_while_one_kind_alone_reaches_the_best():
    X = mx.datasets.wine().to_numpy() if hasattr(mx.datasets, "wine") else nested(1, n=60, d=13)
    restarts = fit_em(GMM(3), X, n_init=4, random_seed=2).restarts
    assert len(restarts.kinds) == 4 * MOST or restarts.confirmed
    assert len(fit_em(GMM(3), X, n_init=1, random_seed=2).restarts.kinds) == 1


def test_the_record_says_unconfirmed_where_one_kind_alone_reached_the_best():
    restarts = fit_em(GMM(2), mx.datasets.faithful(), n_init=3, random_seed=1).restarts
    alone = replace(restarts, log_posterior=restarts.log_posterior - [0, 5, 0])
    assert alone.unconfirmed
    assert not alone.confirmed
    assert str(alone) == "2 of 3 restarts reached the best optimum, unconfirmed by starts of another kind"
    assert alone.by_kind == {"k-means": (1, 1), "random rows": (0, 1), "random swap": (1, 1)}
    unknown = replace(alone, kinds=())  # as in files of the version before
    assert not unknown.unconfirmed
    assert not unknown.confirmed
    one = fit_em(GMM(2), mx.datasets.faithful(), n_init=1, random_seed=1).restarts
    assert not one.unconfirmed


def test_an_optimum_that_few_starts_reach_is_unconfirmed():
    """Whatever swaps do, and although several kinds reach it."""
    restarts = fit_em(GMM(2), mx.datasets.faithful(), random_seed=1).restarts
    some = replace(restarts, log_posterior=restarts.log_posterior - [0, 0, 9, 9, 9, 9, 9, 0, 0, 0])
    assert some.kinds[-3:] == (SWAP,) * 3
    assert some.kinds_reached == {"k-means", "random rows"}
    assert some.share == pytest.approx(2 / 7)
    assert some.unconfirmed
    told = (
        "5 of 10 restarts reached the best optimum, unconfirmed, as only 29% of those that are not swaps did"
    )
    assert str(some) == told
    more = replace(restarts, log_posterior=restarts.log_posterior - [0, 0, 0, 9, 9, 9, 9, 9, 9, 9])
    assert more.confirmed
    collapsed = replace(some, log_posterior=np.where(some.reached, some.log_posterior, np.nan))
    assert collapsed.share == 1


class Recorded:
    """A climb that ends 9 above each start."""

    max_iter, problem, kernel, accelerator = 100, None, None, Plain()

    def begin(self, starts, tol, known):
        return [Run(start, 0.0, (), False) for start in starts]

    def resume(self, run, tol):
        return Run(run.params, 0.0, (run.params["h"], run.params["h"] + 9.0), False)

    def evaluate(self, params):
        return Run(params, 0.0, (params["h"],), False)


@pytest.mark.parametrize("first", [True, False], ids=["run first", "evaluated first"])
def test_starts_at_one_optimum_share_its_run_whichever_comes_first(first):
    """An optimum of a sample that is promising in one round may not be in another."""
    one, best = {"h": -5.0}, {"h": -1.0}
    rounds = iter([[Start("a", best), Start("b", one, first)], [Start("c", one, not first)], []])
    found = search(Recorded(), lambda done: next(rounds), 1e-3, 1e-3, shown=False)
    np.testing.assert_array_equal(found.restarts.log_posterior, [8, 4, 4] if first else [8, -5, 4])


def test_a_start_that_collapses_on_some_of_the_rows_is_no_optimum():
    """200 equal rows among 12,000: nearly all starts collapse there, at heights of spikes."""
    r = rng(0)
    parts = r.normal(0, 1, (6000, 2)), r.normal(4, 1, (5800, 2)), np.full((200, 2), 7.0)
    X = r.permuted(np.concatenate(parts), axis=0)
    em = fit_em(GMM(2, prior=None), X, n_init=2, random_seed=0, tol=1e-4)
    three = fit_em(GMM(3, prior=None), X, n_init=3, random_seed=0, tol=1e-4)
    spikes = three.restarts.log_posterior > em.log_posterior + 1000
    assert three.converged
    assert set(np.flatnonzero(spikes)) <= set(three.restarts.collapsed)


def test_all_specs_have_a_short_run():
    for spec in all_specs():
        data = as_data(make_rows(spec, 40)[0])
        problem, sample = sample_of(spec, data)
        assert len(portfolio(problem, sample, rng(), 2).draw(2)) == 2


def test_a_wide_model_has_fewer_short_runs(monkeypatch):
    drawn = []
    random = random_starts

    def counted(spec, sample, kinds, rng):
        drawn.append(len(kinds))
        return random(spec, sample, kinds, rng)

    monkeypatch.setattr("mixtures.em.starts.random_starts", counted)
    X, _ = make_rows(GMM(2), 60)
    problem, sample = sample_of(GMM(2), X)
    portfolio(problem, sample, rng(), 3).draw(3)
    monkeypatch.setattr("mixtures.em.starts.SHORT_VALUES", 2 * 60 * problem.spec.parameter_count(2))
    portfolio(problem, sample, rng(), 3).draw(3)
    monkeypatch.setattr("mixtures.em.starts.SHORT_VALUES", 1)
    portfolio(problem, sample, rng(), 3).draw(3)
    assert drawn == [3 * SHORT_RUNS, 3 * 2, 3]


# Many rows


def many(n=12_000):
    r = rng(5)
    X = r.normal(size=(n, 2)) + 4 * r.integers(0, 3, size=(n, 1))
    return X, GMM(3, covariance_type="spherical")


def test_many_rows_begin_on_some_and_end_on_all():
    X, spec = many()
    em = fit_em(spec, X, n_init=6, random_seed=0)
    plain = fit_em(spec, X, start=em.params, accelerate=None)
    assert em.converged
    assert em.log_posterior == pytest.approx(plain.log_posterior, abs=1e-6)
    traces = {id(trace): trace for trace in map(tuple, em.restarts.traces)}.values()
    assert len(set(traces)) <= 6
    for params, height in zip(em.restarts.params, em.restarts.log_posterior, strict=True):
        here = em.spec.log_likelihood(X, params).sum() + em.spec.log_prior(params)
        assert height == pytest.approx(here, rel=1e-12)  # on all rows, also of starts that went no further


def test_starts_that_end_alike_on_some_rows_are_one():
    X, spec = many()
    problem, sample = sample_of(spec, X)
    starts = portfolio(problem, sample, rng(), len(KINDS)).draw(len(KINDS))
    ends = {id(start.params) for start in starts}
    assert len(ends) < len(KINDS)
    assert [start.kind for start in starts] == list(KINDS)


def test_ends_that_are_alike_are_one_in_every_round():
    problem, sample = sample_of(many()[1], many()[0])
    found = portfolio(problem, sample, rng(1), 10)
    first, again = found.draw(10), found.draw(10)
    known = {id(start.params) for start in first}
    assert any(id(start.params) in known for start in again)
    assert len(found.optima) == len({id(start.params) for start in first + again})


def test_em_does_not_go_on_from_an_optimum_that_is_surely_lower():
    problem, sample = sample_of(many()[1], many()[0])
    found = portfolio(problem, sample, rng(1), 10)
    assert any(start.promising for start in found.draw(10))
    best = max(found.optima, key=lambda run: run.height)
    middle = np.repeat(best.params["mu"].mean(axis=0, keepdims=True), 3, axis=0)
    lower = replace(best, params={**best.params, "mu": middle})
    close = replace(best, params={**best.params, "mu": best.params["mu"] + 1e-3})
    assert found._promising([best, lower, close]) == [best, close]


def test_ctrl_c_on_some_of_the_rows_goes_on(monkeypatch):
    X, spec = many()

    def stopped(*args, **kwargs):
        raise Interrupted("a run on some of the rows")

    monkeypatch.setattr("mixtures.em.climb.ascend", stopped)
    monkeypatch.setattr("mixtures.em.climb.BATCH_VALUES", 0)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit_em(spec, X, n_init=3, random_seed=0)
    assert not isinstance(caught.value, Interrupted)


# Swaps


@every_spec
def test_a_swap_puts_one_cluster_elsewhere(spec):
    X, _ = make_rows(spec, 60)
    problem, sample = sample_of(spec, X)
    params = fit_em(spec, X, n_init=1, random_seed=0).params
    joint = problem.spec.log_joint(params)(sample.rows.T)
    r = swapped(sample, joint, rng(3))
    assert r.shape == joint.shape
    assert (r > 0).all()
    np.testing.assert_allclose(r.sum(axis=0), 1, rtol=1e-12)


def test_swaps_find_a_mode_from_which_runs_back_to_the_fit_are_higher_at_first():
    """After ten steps those back to the fit are the highest of nearly every six, and none ends above it."""
    r = rng()
    X = np.vstack([sd * r.normal(size=(60, 4)) for sd in (0.2, 0.6, 1.5, 4)])
    spec = GMM(4, covariance_type="spherical")
    lower = fit_em(spec, X, start=np.repeat(range(4), 60))
    problem, sample = sample_of(spec, X)
    swaps = portfolio(problem, sample, rng(1), 10).swaps(lower.params, 20, SWAP_STEPS)
    ends = advance(problem, problem.data, [start.params for start in swaps], 200)
    assert max(run.height for run in ends) > lower.log_posterior + 0.3


def test_rows_that_no_other_cluster_can_hold_are_anyones():
    X, _ = make_rows(BMM(2), 60)
    _, sample = sample_of(BMM(2), X)
    joint = np.where(np.arange(60) < 30, [[0.0], [-np.inf]], [[-np.inf], [0.0]])
    for seed in range(4):
        r = swapped(sample, joint, rng(seed))
        assert np.isfinite(r).all()
        np.testing.assert_allclose(r.sum(axis=0), 1)


def test_swaps_end_a_round_and_are_no_evidence():
    X, _ = make_rows(GMM(2), 60, apart=8.0)
    restarts = fit_em(GMM(2), X, n_init=6, random_seed=0).restarts
    assert restarts.kinds == (*list(KINDS)[:4], SWAP, SWAP)
    only = replace(restarts, log_posterior=np.array([0.0, -9, -9, -9, 0.0, 0.0]), best=0.0)
    assert only.kinds_reached == {"k-means"}
    assert not only.confirmed
    assert only.n_best == 3
    swaps = replace(only, log_posterior=only.log_posterior - np.eye(6)[0])
    assert str(swaps).startswith("2 of 6 restarts reached the best optimum, all of them swaps, which begin")


# Weights


def test_heavy_rows_count_in_the_sample_as_they_do_in_the_data():
    """Four tight clusters, whose rows count a thousand times, in a background of rows that count once."""
    r = rng()
    X, weights, labels = r.uniform(-10, 10, (12_000, 2)), np.ones(12_000), np.full(12_000, 4)
    for k, centre in enumerate([[0, 0], [1.5, 0], [0, 1.5], [1.5, 1.5]]):
        rows = slice(k * 100, (k + 1) * 100)
        X[rows], weights[rows], labels[rows] = r.normal(centre, 0.2, (100, 2)), 1000, k
    known = fit_em(GMM(5), X, weights=weights, start=labels)
    found = fit_em(GMM(5), X, weights=weights, random_seed=1)
    assert found.log_posterior > known.log_posterior - 1e-3


@pytest.mark.parametrize("n", [3_000, 12_000])
def test_rows_may_have_no_weight(n):
    X = rng().normal(size=(n, 2))
    weights = rng(1).multinomial(n, np.full(n, 1 / n)) * (np.arange(n) % 3 == 0)
    assert fit_em(GMM(2), X, weights=weights, n_init=6, random_seed=0).converged


# Ends


@pytest.mark.parametrize("accelerate", [None, "auto", "newton", "squarem"])
def test_with_every_parameter_held_there_is_nothing_to_climb(accelerate):
    held = {"sigma2": 1.0, "mu": [[2, 50], [4, 80]], "alpha": [0.4, 0.6]}
    spec = GMM(2, covariance_type="spherical")
    em = fit_em(spec, mx.datasets.faithful(), hold=held, random_seed=0, accelerate=accelerate)
    expected = em.spec.log_likelihood(mx.datasets.faithful(), em.params).sum()
    assert em.log_likelihood == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("accelerate", [None, "auto"])
def test_one_cluster_takes_no_iteration(accelerate):
    assert fit_em(GMM(1), mx.datasets.faithful(), random_seed=0, accelerate=accelerate).n_iter == 0


@pytest.mark.parametrize("accelerate", [None, "auto"])
def test_a_flat_maximum_is_no_saddle(accelerate):
    em = fit_em(BMM(2, prior=None), np.zeros((20, 4)), random_seed=0, accelerate=accelerate)
    assert em.log_likelihood == pytest.approx(0, abs=1e-12)
    assert not any("saddle" in note for note in em.notes)


# Starts that fall behind


def test_a_start_without_prospects_goes_no_further():
    X, spec = nested(5), GMM(5, covariance_type="diag")
    em = fit_em(spec, X, random_seed=0)
    lengths = np.array([len(trace) for trace in em.restarts.traces])
    early, late = (np.flatnonzero(lengths == steps + 1) for steps in (JUDGED, 2 * JUDGED))
    assert len(early)
    for i in (*early[:3], *late):
        alone = fit_em(spec, X, start=em.restarts.params[i])
        assert alone.log_posterior < em.log_posterior - 1e-3


@pytest.mark.parametrize(
    ("rises", "hopeless"), [([8, 4, 2], True), ([3, 2.9, 2.8], False), ([1, 2, 3], False)]
)
def test_what_a_start_may_still_rise_is_judged_by_its_pace(rises, hopeless):
    """Rises of five steps each: 2, 2.8 and 3 in the end, and the best is fifty higher."""
    trace = np.interp(np.arange(16), [0, 5, 10, 15], np.cumsum([0, *rises]))
    assert is_hopeless(trace, trace[-1] + 50) is hopeless
    assert not is_hopeless(trace, trace[-1])
    assert not is_hopeless(trace, -np.inf)
