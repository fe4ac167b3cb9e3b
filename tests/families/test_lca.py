"""Latent class analysis: a loop over answers, what SciPy finds, the BMM, levels of every kind, every door."""

import itertools
import json
from io import StringIO

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from command import run
from conftest import in_turn
from scipy import optimize, stats
from scipy.special import log_softmax, logsumexp, softmax

import mixtures as mx
from mixtures.data.levels import as_codes
from mixtures.density.compiled import CompiledModel
from mixtures.families.categorical import Categorical
from mixtures.families.identified import satisfies_kruskal
from mixtures.families.supports import Simplexes
from mixtures.trees import item_dim, labels_in, level_table, levels_in

SHORT = {"draws": 150, "tune": 200, "chains": 2, "n_init": 2, "random_seed": 1, "progressbar": False}
FAST = {"mode": "FAST_COMPILE"}

P = [
    {"smokes": [0.8, 0.2], "health": [0.1, 0.3, 0.6, 0.0], "visits": [0.7, 0.2, 0.1], "rural": [0.3, 0.7]},
    {"smokes": [0.3, 0.7], "health": [0.6, 0.3, 0.1, 0.0], "visits": [0.1, 0.3, 0.6], "rural": [0.6, 0.4]},
]
LEVELS = {
    "smokes": ["no", "yes"],
    "health": ["poor", "fair", "good", "excellent"],
    "visits": [1, 2, 5],
    "rural": [False, True],
}
"""Text, a declared order with a level that nobody gives, whole numbers with gaps, and booleans."""


def survey(n=300, seed=0):
    rng = np.random.default_rng(seed)
    z = np.arange(n) % 2
    answers = {
        name: np.array([rng.choice(len(own), p=P[k][name]) for k in z]) for name, own in LEVELS.items()
    }
    table = pd.DataFrame({name: np.array(LEVELS[name])[codes] for name, codes in answers.items()})
    return table.assign(health=pd.Categorical(table["health"], categories=LEVELS["health"]))


def holes(table, share=0.1, seed=1):
    return table.mask(np.random.default_rng(seed).random(table.shape) < share)


def by_hand(table, params, levels):
    """Log-likelihood of every row: the probability of each answer looked up; a missing answer has none."""
    rows = []
    for row in table.itertuples(index=False):
        joint = np.log(params["alpha"])
        for d, cell in enumerate(row):
            if not pd.isna(cell):
                joint = joint + np.log([p[d][list(levels[d]).index(cell)] for p in params["p"]])
        rows.append(logsumexp(joint))
    return np.array(rows)


# The likelihood and its maximum


@pytest.mark.parametrize("missing", [None, "integrate"])
def test_the_likelihood_is_that_of_a_loop_over_answers(missing):
    X = survey(80) if missing is None else holes(survey(80))
    em = mx.fit_em(mx.LCA(2), X, random_seed=1, missing=missing)
    assert em.params["p"].shape == (2, 4, 4)
    assert (em.params["p"][:, 0, 2:] == 0).all()  # two levels only
    assert em.log_likelihood == pytest.approx(by_hand(X, em.params, em.spec.levels).sum(), rel=1e-12)
    log_prior = stats.dirichlet([1, 1]).logpdf(em.params["alpha"])
    for p, (own, c) in itertools.product(em.params["p"], enumerate((2, 4, 3, 2))):
        log_prior += stats.dirichlet([2] * c).logpdf(p[own, :c])
    assert em.log_posterior == pytest.approx(em.log_likelihood + log_prior, rel=1e-12)
    assert (np.diff(em.objective_trace) > -1e-10 * abs(em.log_posterior)).all()


def test_maximum_likelihood_is_what_scipy_finds():
    X = survey().drop(columns="health").assign(visits=survey()["visits"].astype(str))
    em = mx.fit_em(mx.LCA(2, prior=None), X, random_seed=1, tol=1e-9)
    codes = [np.searchsorted(sorted(set(X[name])), X[name]) for name in X]

    def unpacked(x):
        alpha, p, at = softmax([x[0], 0.0]), [], 1
        for c in (2, 3, 2):
            part = x[at : at + 2 * (c - 1)].reshape(2, c - 1)
            p.append(softmax(np.column_stack([part, np.zeros(2)]), axis=1))
            at += 2 * (c - 1)
        return alpha, p

    def loss(x):
        alpha, p = unpacked(x)
        joint = np.log(alpha)[:, None] + sum(np.log(own[:, code]) for own, code in zip(p, codes, strict=True))
        return -logsumexp(joint, axis=0).sum()

    found = optimize.minimize(loss, np.random.default_rng(3).normal(size=9) / 2, method="BFGS", tol=1e-8)
    assert em.log_likelihood == pytest.approx(-found.fun, abs=1e-6)
    alpha, p = unpacked(found.x)
    order = np.argsort(-alpha)
    for d, own in enumerate(p):
        np.testing.assert_allclose(em.params["p"][:, d, : own.shape[1]], own[order], atol=1e-4)


def test_maximum_likelihood_of_ragged_items_with_blanks_is_what_scipy_finds():
    """Two to seven levels, and answers left out: the optimum of a direct search with the slopes by hand."""
    levels, k, rng = (2, 3, 4, 5, 6, 7), 2, np.random.default_rng(4)
    ends = np.cumsum([c - 1 for c in levels])

    def unpacked(x):
        alpha, rest = log_softmax([*x[:1], 0.0]), np.split(x[1:].reshape(k, -1), ends[:-1], axis=1)
        return alpha, [log_softmax(np.column_stack([part, np.zeros(k)]), axis=1) for part in rest]

    truth = [rng.dirichlet(np.full(c, 3.0), size=k) for c in levels]
    z = np.arange(400) % k
    X = np.column_stack([[rng.choice(len(p[j]), p=p[j]) for j in z] for p in truth]).astype(float)
    X[rng.random(X.shape) < 0.15] = np.nan
    seen = [~np.isnan(column) for column in X.T]
    one_hot = [
        np.where(own[:, None], column[:, None] == np.arange(c), False)
        for column, own, c in zip(X.T, seen, levels, strict=True)
    ]

    def loss(x):
        alpha, p = unpacked(x)
        joint = alpha[:, None] + sum(a @ y.T for a, y in zip(p, one_hot, strict=True))
        r = softmax(joint, axis=0)
        each = zip(p, one_hot, seen, strict=True)
        slopes = [(r @ y - (r @ own)[:, None] * np.exp(a))[:, :-1] for a, y, own in each]
        slope = np.concatenate([[r[0].sum() - len(X) * np.exp(alpha[0])], np.hstack(slopes).ravel()])
        return -logsumexp(joint, axis=0).sum(), -slope

    starts = [rng.normal(size=1 + k * int(ends[-1])) / 2 for _ in range(4)]
    found = [optimize.minimize(loss, x, jac=True, method="BFGS", options={"gtol": 1e-4}) for x in starts]
    best = min(found, key=lambda one: one.fun)
    spec = mx.LCA(k, prior=None, levels=[range(c) for c in levels])
    em = mx.fit_em(spec, X, missing="integrate", random_seed=1, n_init=3)
    assert em.log_likelihood == pytest.approx(-best.fun, abs=1e-6)
    alpha, p = unpacked(best.x)
    order = np.argsort(-alpha)
    np.testing.assert_allclose(em.params["alpha"], np.exp(alpha[order]), atol=1e-4)
    for d, own in enumerate(map(np.exp, p)):
        np.testing.assert_allclose(em.params["p"][:, d, : own.shape[1]], own[order], atol=1e-4)
        assert (em.params["p"][:, d, own.shape[1] :] == 0).all()


ROLE_CONFLICT = [42, 23, 6, 25, 6, 24, 7, 38, 1, 4, 1, 6, 2, 9, 2, 20]
"""Rows of each of the 16 answers to the four items of Stouffer and Toby (1951), from ++++ to ----."""


@pytest.mark.parametrize(("n_components", "deviance"), [(1, 81.084), (2, 2.720), (3, 0.387)])
def test_the_deviances_of_goodman_1974(n_components, deviance):
    answers, rows = np.array(list(itertools.product("+-", repeat=4))), np.array(ROLE_CONFLICT)
    em = mx.fit_em(mx.LCA(n_components, prior=None), answers, weights=rows, random_seed=1)
    saturated = rows @ np.log(rows / rows.sum())
    assert 2 * (saturated - em.log_likelihood) == pytest.approx(deviance, abs=5e-4)
    if n_components == 2:  # the manual of poLCA gives the same log-likelihood
        assert em.log_likelihood == pytest.approx(-504.4677, abs=5e-5)
        positive = [[0.714, 0.330, 0.354, 0.132], [0.993, 0.940, 0.927, 0.769]]
        np.testing.assert_allclose(em.params["p"][:, :, 0], positive, atol=6e-4)


@in_turn(("prior", "missing"), ["default", None], ["integrate", None], str)
def test_two_levels_are_a_bmm(prior, missing):
    rng = np.random.default_rng(0)
    X = (rng.random((200, 6)) < np.array([0.25, 0.7])[np.arange(200) % 2][:, None]).astype(float)
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    how = {"random_seed": 1, "missing": missing}
    coins, items = (mx.fit_em(spec(2, prior=prior), X, **how) for spec in (mx.BMM, mx.LCA))
    assert items.log_likelihood == pytest.approx(coins.log_likelihood, rel=1e-12)
    assert items.log_posterior == pytest.approx(coins.log_posterior, rel=1e-12)
    np.testing.assert_allclose(items.params["p"][..., 1], coins.params["p"], atol=1e-7)
    ours, theirs = (CompiledModel(mx.declare(em.spec, X, missing=missing)) for em in (items, coins))
    at = {**coins.params, "p": np.clip(coins.params["p"], 0.01, 0.99)}
    both = {"alpha": at["alpha"], "p": np.stack([1 - at["p"], at["p"]], axis=-1)}
    for jacobian in (False, True):  # logits of a zero and of a one: the same but for the sign
        values = (
            compiled.log_densities(compiled.unconstrain(params), jacobian=jacobian)
            for compiled, params in ((ours, both), (theirs, at))
        )
        assert next(values) == pytest.approx(next(values), rel=1e-12)


def test_a_level_that_nobody_gives_is_kept():
    X = survey()
    em = mx.fit_em(mx.LCA(2), X, random_seed=1)
    assert em.spec.levels[1] == tuple(LEVELS["health"])
    count = em.params["alpha"] * len(X)
    np.testing.assert_allclose(
        em.params["p"][:, 1, 3], 1 / (count + 4), rtol=1e-4
    )  # one extra answer of four
    assert any("levels of 'health' that occur in no row" in note for note in em.notes)
    flat = mx.fit_em(mx.LCA(2, prior=None), X, random_seed=1)
    assert (flat.params["p"][:, 1, 3] == 0).all()
    plain = mx.fit_em(mx.LCA(2, prior=None), X.astype({"health": str}), random_seed=1)
    assert plain.spec.levels[1] == ("fair", "good", "poor")
    assert flat.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)
    assert flat.spec.parameter_count(4) == plain.spec.parameter_count(4) + 2


def test_the_log_prior_is_scipys():
    prior = mx.priors.Dirichlet([[0.5, 2.0], [3.0, 1.0, 2.5]])
    X = pd.DataFrame({"a": ["no", "yes"] * 5, "b": [1, 2, 3, 1, 2] * 2})
    spec = mx.resolve(mx.LCA(2, prior=prior, weight_concentration=0.6), X)
    rng = np.random.default_rng(0)
    params = {"alpha": np.array([0.3, 0.7]), "p": np.zeros((2, 2, 3))}
    expected = stats.dirichlet([0.6, 0.6]).logpdf([0.3, 0.7])
    for k in range(2):
        for d, own in enumerate(([0.5, 2.0], [3.0, 1.0, 2.5])):
            params["p"][k, d, : len(own)] = rng.dirichlet(own)
            expected += stats.dirichlet(own).logpdf(params["p"][k, d, : len(own)])
    assert spec.log_prior(params) == pytest.approx(expected, rel=1e-12)
    compiled = CompiledModel(mx.declare(spec, X))
    priors = compiled.log_priors(compiled.unconstrain(params))
    assert sum(np.sum(x) for x in priors.values()) == pytest.approx(expected, rel=1e-10)


# Levels


@pytest.mark.parametrize(
    ("column", "levels", "codes"),
    [
        (["b", "a", None], ("a", "b"), [1, 0, np.nan]),
        ([3, 1, 10], (1, 3, 10), [1, 0, 2]),
        ([3.0, np.nan, 1.0], (1, 3), [1, np.nan, 0]),
        ([True, True, True], (False, True), [1, 1, 1]),
        ([True, None, False], (False, True), [1, np.nan, 0]),
        (pd.Categorical(["b", "a", None], categories=["c", "b", "a"]), ("c", "b", "a"), [1, 2, np.nan]),
        (pd.array([2, None, 4], dtype="Int64"), (2, 4), [0, np.nan, 1]),
        (pl.Series(["b", "a", None], dtype=pl.Enum(["c", "b", "a"])), ("c", "b", "a"), [1, 2, np.nan]),
        (pl.Series(["b", "a", None], dtype=pl.Categorical), ("a", "b"), [1, 0, np.nan]),
    ],
    ids=str,
)
def test_levels_of_every_kind_of_column(column, levels, codes):
    frame = pl.DataFrame({"x": column}) if isinstance(column, pl.Series) else pd.DataFrame({"x": column})
    data = mx.LCA(1).table(frame, missing="integrate")
    assert data.levels == (levels,)
    assert [type(label) for label in data.levels[0]] == [type(label) for label in levels]
    np.testing.assert_array_equal(data.values[:, 0], codes)


def test_levels_are_read_in_an_array_too():
    assert mx.LCA(1).table([["x", 1], ["y", 2]]).levels == (("x", "y"), (1, 2))
    assert mx.LCA(1).table(np.array([["x"], ["y"]])).levels == (("x", "y"),)
    codes, levels = as_codes(np.array([2, 2, 5]), "x", np.arange(3), 0)
    assert (codes.tolist(), levels) == ([0, 0, 1], (2, 5))


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (["yes", "no", "never"], (("yes", "no", "never"),) * 2),
        ([["yes", "no"], ["no", "yes", "never"]], (("yes", "no"), ("no", "yes", "never"))),
        ({"b": ["yes", "no"]}, (("no", "yes"), ("yes", "no"))),
    ],
    ids=["of all", "of each", "of some"],
)
def test_levels_that_are_stated(stated, expected):
    X = pd.DataFrame({"a": ["no", "yes"] * 3, "b": ["yes", "no"] * 3})
    spec = mx.resolve(mx.LCA(2, levels=stated), X)
    assert spec.levels == expected
    moved = spec.of(["b", "a"])
    assert (moved.features, moved.levels) == (("b", "a"), expected[::-1])
    values = spec.table(X[["b", "a"]]).values
    assert values[0].tolist() == [expected[0].index("no"), expected[1].index("yes")]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda X: mx.LCA(2, levels="yes"), "levels must be labels"),
        (lambda X: mx.LCA(2, levels=["a", "a"]), "must be one or more different labels"),
        (lambda X: mx.LCA(2, levels=[0.5, 1]), "0.5 is neither text, a whole number nor a boolean"),
        (lambda X: mx.LCA(2, prior=mx.priors.Beta(2, 2)), "does not go with an LCA"),
        (lambda X: mx.fit_em(mx.LCA(2, levels={"smoke": ["a"]}), X), "levels has 'smoke' (did you mean"),
        (
            lambda X: mx.fit_em(mx.LCA(2, levels=[[1, 2]]), X),
            "levels are stated of 1 column; the data have 4",
        ),
        (
            lambda X: mx.fit_em(mx.LCA(2, levels={"visits": [1, 2]}), X),
            "and 100 more: 5 is not one of the levels 1, 2; correct these cells",
        ),
        (lambda X: mx.fit_em(mx.LCA(2), X.assign(visits=0.5)), "0.5 is not a whole number"),
        (lambda X: mx.fit_em(mx.LCA(2), X.assign(visits=["a", ""] * 150)), "visits': the text is empty"),
        (lambda X: mx.fit_em(mx.LCA(2), X.assign(visits=["a", 1] * 150)), "holds text and numbers"),
        (
            lambda X: mx.fit_em(mx.LCA(2), pd.DataFrame({"x": np.arange(2000), "y": 1})),
            "column 'x' has 2,000 different values, too many for categories",
        ),
        (lambda X: mx.fit_em(mx.LCA(2), holes(X)), "NaN or null"),
        (lambda X: mx.LCA(2).shapes(4), "the levels of the items are not known yet"),
        (
            lambda X: mx.resolve(mx.LCA(2, prior=mx.priors.Dirichlet([[1, 1], [1, 1]])), X),
            "prior concentration has shape",
        ),
        (
            lambda X: mx.resolve(mx.LCA(2, prior=mx.priors.Dirichlet(np.ones((4, 4)))), X),
            "counts for levels that the items do not have",
        ),
        (lambda X: mx.resolve(mx.LCA(2, prior=mx.priors.Dirichlet(-1)), X), "concentration must be positive"),
        (
            lambda X: mx.fit_em(mx.LCA(2, prior=mx.priors.Dirichlet(0.5)), X),
            "concentrations below 1",
        ),
    ],
)
def test_what_is_refused(make, words):
    with pytest.raises(mx.InputError) as told:
        make(survey())
    assert words in str(told.value)


def test_new_rows_are_coded_by_the_levels_of_the_fit():
    X = survey()
    em = mx.fit_em(mx.LCA(2), X, random_seed=1)
    expected = mx.responsibilities(em.spec, X, em.params)["responsibilities"].values
    few = X[X["smokes"] == "yes"].astype({"health": str})[["rural", "visits", "health", "smokes"]]
    found = mx.responsibilities(em.spec, few, em.params)["responsibilities"].values
    np.testing.assert_allclose(found, expected[(X["smokes"] == "yes").to_numpy()], atol=1e-12)
    text = few.astype(str)  # as from another file
    np.testing.assert_allclose(mx.responsibilities(em.spec, text, em.params)["responsibilities"], found)
    for door in (
        lambda rows: mx.responsibilities(em.spec, rows, em.params),
        lambda rows: mx.em_step(em.spec, rows, em.params),
        lambda rows: mx.declare(em.spec, rows),
        lambda rows: mx.fit_em(em.spec, rows),
    ):
        with pytest.raises(
            mx.InputError, match="row 4, column 'smokes': 'maybe' is not one of the levels no, yes"
        ):
            door(
                X.astype({"smokes": object})
                .replace({"smokes": {"no": "no"}})
                .assign(smokes=["maybe" if i == 4 else s for i, s in enumerate(X["smokes"])])
            )


def test_chunks_and_dask_and_weights_give_the_answer_of_the_whole():
    X = survey()
    few = {"n_init": 3, "random_seed": 1}
    whole = mx.fit_em(mx.LCA(2), X, **few)
    sorted_rows = X.sort_values("visits").reset_index(drop=True)  # the first chunk lacks levels of the last
    chunks = [sorted_rows.iloc[i : i + 100].reset_index(drop=True) for i in range(0, 300, 100)]
    assert len({tuple(chunk["visits"].unique()) for chunk in chunks}) > 1
    for rows in (chunks, lambda: iter(chunks), dd.from_pandas(sorted_rows, npartitions=3)):
        em = mx.fit_em(mx.LCA(2), rows, **few)
        assert em.spec.levels == whole.spec.levels
        assert em.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-4)
        at_whole = mx.em_step(whole.spec, rows, whole.params)
        np.testing.assert_allclose(at_whole["p"], mx.em_step(whole.spec, X, whole.params)["p"], rtol=1e-10)
    weights = np.random.default_rng(0).integers(0, 3, len(X))
    start = whole.params
    weighted = mx.fit_em(whole.spec, X, weights=weights, start=start, max_iter=12)
    repeated = mx.fit_em(
        whole.spec, X.loc[X.index.repeat(weights)].reset_index(drop=True), start=start, max_iter=12
    )
    assert weighted.log_likelihood == pytest.approx(repeated.log_likelihood, rel=1e-10)


# Items with different numbers of levels


@pytest.mark.parametrize("levels", [(2, 4, 3), (3, 1, 2), (2, 2)])
def test_free_coordinates_of_ragged_items(levels):
    support, core = Simplexes(levels), (len(levels), max(levels))
    exists = support.exists(core)
    rng = np.random.default_rng(0)
    p = np.where(exists, rng.gamma(1.0, size=(5, *core)), 0)
    p /= p.sum(axis=-1, keepdims=True)
    free = support.to_free(p)
    assert free.shape == (5, support.free_size(core)) == (5, sum(c - 1 for c in levels))
    np.testing.assert_allclose(support.from_free(free, core), p, rtol=1e-12)
    assert support.fault(p) == ""
    assert not support.on_boundary(p).any()
    assert support.interior(support.on_boundary(p)).all()
    assert (
        "must be 0 for levels that the item does not have" in Simplexes((1, 1)).fault(p[:, :2])
        or core[1] == 1
    )
    edge = np.zeros(core)
    edge[:, 0] = 1
    assert support.on_boundary(edge).sum() == sum(c - 1 for c in levels)  # padding is no boundary
    assert not support.interior(support.on_boundary(edge)).any()


def test_a_share_of_zero_leaves_the_other_coordinates_inside():
    support = Simplexes((4,))
    for p, inside in (
        ([0.5, 0.2, 0.3, 0.0], [True, True, False]),
        ([0.5, 0.0, 0.3, 0.2], [True, False, True]),
        ([0.0, 0.0, 1.0, 0.0], [False, False, False]),
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            free = support.to_free(np.array([p]))
        found = support.interior(support.on_boundary(np.array([p])))
        assert found.tolist() == inside
        assert np.isfinite(free[found]).all()


def test_the_jacobian_is_that_of_the_coordinates():
    """The log determinant by differences of the probabilities in all but the last level of each item."""
    X = survey(30)
    compiled = CompiledModel(mx.declare(mx.LCA(1), X))
    rng = np.random.default_rng(0)
    x = rng.normal(size=compiled.size)
    slopes = compiled.constrain_slopes(x)["p"][0]  # (D, C, size)
    kept = [slopes[d, c] for d, own in enumerate((2, 4, 3, 2)) for c in range(own - 1)]
    log_det = np.linalg.slogdet(np.stack(kept))[1]
    assert compiled.constrain_with_jacobian(x)[1] == pytest.approx(log_det, rel=1e-9)
    ours = Simplexes((2, 4, 3, 2)).from_free(x[None], (4, 4))
    np.testing.assert_allclose(compiled.constrain(x)["p"], ours, rtol=1e-12)


# What answers can tell


def test_identifiability_is_by_rank_and_kruskals_bound():
    def told(k, levels, seed=0):
        rng = np.random.default_rng(seed)
        p = np.zeros((k, len(levels), max(levels)))
        for d, c in enumerate(levels):
            p[:, d, :c] = rng.dirichlet(np.ones(c), size=k)
        return Categorical(None, levels).unidentified({"alpha": rng.dirichlet(np.ones(k)), "p": p})

    assert told(1, (3,)) == ""
    assert "one item identifies only the shares of its levels" in told(2, (5,))
    assert "2 items have 3^2 - 1 = 8 free pattern probabilities, the model has 9" in told(2, (3, 3))
    assert "2 items have 2 x 3 - 1 = 5 free pattern probabilities, the model has 7" in told(2, (2, 3))
    assert told(2, (2, 2, 2)) == ""
    assert "in only 13 directions, but the model has 14 parameters" in told(3, (2, 2, 2, 2))  # Goodman (1974)
    assert told(3, (3, 4, 2, 3)) == ""
    assert told(4, (4,) * 20) == ""
    assert satisfies_kruskal(2, (2, 2, 2))
    assert not satisfies_kruskal(3, (2, 2, 2, 2))
    assert satisfies_kruskal(3, (3, 3, 2))
    assert satisfies_kruskal(64, (2,) * 13)  # two groups of 64 patterns and one of 2
    assert not satisfies_kruskal(65, (2,) * 13)
    assert "whether the parameters are identified is not known" in told(400, (2, *[3] * 8))
    with pytest.warns(mx.IdentifiabilityWarning, match="one item"):
        mx.declare(mx.LCA(2), survey()[["smokes"]])
    rows, labels = survey()[["smokes"]], np.arange(len(survey())) % 2
    assert "one item identifies only" in mx.fit_em(mx.LCA(2), rows, n_init=1, random_seed=0).notes[0]
    assert "one item" not in str(mx.fit_em(mx.LCA(2), rows, n_init=1, random_seed=0, labels=labels).notes)


# A user's own model


def test_rows_in_a_users_model_are_those_of_the_loop(no_c_compiler):
    p = np.array([[[0.2, 0.8, 0.0], [0.1, 0.3, 0.6]], [[0.5, 0.5, 0.0], [0.0, 0.7, 0.3]]])
    X = np.array(list(itertools.product(range(2), range(3))))
    rv = mx.CategoricalMixture.dist([0.3, 0.7], p, shape=X.shape)
    expected = [
        logsumexp(
            [
                np.log(a) + np.log(q[0, i] * q[1, j])
                for a, q in zip([0.3, 0.7], p, strict=True)
                if q[0, i] * q[1, j] > 0
            ]
        )
        for i, j in X
    ]
    np.testing.assert_allclose(pm.logp(rv, X).eval(**FAST), expected, rtol=1e-12)
    assert np.exp(expected).sum() == pytest.approx(1)
    for outside in (X + 3, X - 3, X + 0.5):
        assert (pm.logp(rv, pytensor.tensor.as_tensor(outside)).eval(**FAST) == -np.inf).all()
    drawn = pm.draw(mx.CategoricalMixture.dist([0.3, 0.7], p, shape=(4000, 2)), random_seed=1)
    shares = [np.mean((drawn == row).all(axis=1)) for row in X]
    np.testing.assert_allclose(shares, np.exp(expected), atol=0.03)


def as_constants():
    return np.array([[[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]] * 2)


def side_by_side():
    few = pm.Dirichlet("few", np.ones(2), shape=(2, 2))
    few = pt.concatenate([few, pt.zeros((2, 1))], axis=1)
    return pt.stack([few, pm.Dirichlet("many", np.ones(3), shape=(2, 3))], axis=1)


def set_in_zeros():
    q, p = pm.Beta("q", 2, 2, shape=2), pt.zeros((2, 2, 3))
    p = p[:, 0, :2].set(pt.stack([1 - q, q], axis=1))
    return p[:, 1].set(pm.Dirichlet("many", np.ones(3), shape=(2, 3)))


def of_a_mask():
    g = pm.Gamma("g", 2, 1, shape=(2, 2, 3)) * as_constants().astype(bool)
    return pm.Deterministic("p", g / g.sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("mixed", [False, True], ids=["alone", "mixed"])
@pytest.mark.parametrize("make", [as_constants, side_by_side, set_in_zeros, of_a_mask])
def test_codes_beyond_the_levels_are_named(make, mixed):
    """Also those of an item with fewer levels than others, and before anything is compiled."""
    table = np.array([[1.0, 2.0], [0.0, np.nan], [0.0, 1.0]])

    def declare(codes, p):
        if mixed:
            return mx.MixedMixture("x", [0.5, 0.5], categorical={"p": p}, observed=codes)
        return mx.CategoricalMixture("x", [0.5, 0.5], p, observed=codes)

    with pm.Model():
        declare(table, make())
    for code, column, levels in ((2, 0, 2), (3, 0, 2), (3, 1, 3)):
        bad = table.copy()
        bad[1, column] = code
        what = (
            f"row 1, column 'x{column}': not the code of a level .* {levels} levels, coded 0 to {levels - 1}"
        )
        with pm.Model(), pytest.raises(mx.InputError, match=what):
            declare(bad, make())


# Every door


def test_the_certificate_holds_and_all_is_saved(tmp_path):
    X = survey()
    cc = mx.crosscheck(mx.LCA(2), X, **SHORT)
    assert cc.passed, cc
    names = [f"p[{k}, {d}, {c}]" for k in range(2) for d, own in LEVELS.items() for c in own]
    assert list(cc.table.index) == ["alpha[0]", "alpha[1]", *names]
    called = [name.replace("[0", "[A").replace("[1", "[B") for name in cc.table.index]
    assert list(cc.named(["A", "B"]).table.index) == called
    level = levels_in(cc.posterior["posterior"].to_dataset())
    assert level == {name: tuple(map(str, own)) for name, own in LEVELS.items()}
    mx.save(cc, tmp_path / "cc.mix", X=X)
    again = mx.load(tmp_path / "cc.mix")
    assert again.em.spec.levels == cc.em.spec.levels
    assert levels_in(again.posterior["posterior"].to_dataset()) == level
    page = mx.report(again, X, header=mx.saving.save.read_header(tmp_path / "cc.mix"), progressbar=False)
    for words in ("the items are independent of each other", "classification error", "bivariate residuals"):
        assert words in page.html
    for spec in (cc.em.spec, mx.LCA(2)):  # the sample knows the levels
        r = mx.responsibilities(spec, X, cc.posterior)
        np.testing.assert_allclose(r["responsibilities"].sum("cluster"), 1)
    checks = mx.predictive_checks(cc.em.spec, X, cc.posterior, random_seed=1)
    assert checks["p"].between(0.01, 0.99).all()
    assert "association[smokes, visits]" in checks.index


def test_a_sample_whose_levels_are_a_coordinate_is_read():
    """As they were kept before ArviZ's tables were to take a sample as it is."""
    em = mx.fit_em(mx.LCA(2), survey(), n_init=1, random_seed=1)
    now = em.to_datatree()["posterior"].to_dataset()
    rows = [[*map(str, own), *[""] * (4 - len(own))] for own in LEVELS.values()]
    before = now.assign_coords(
        category=np.arange(4), level=((item_dim(now), "category"), np.array(rows, dtype=object))
    )
    assert "levels" not in before["category"].attrs
    assert levels_in(before) == levels_in(now)
    assert labels_in(before)["levels"] == labels_in(now)["levels"]
    for some in ([2, 0], [1]):  # labels go with the levels that are selected
        for group in (before, now):
            table = level_table(group.isel(category=some), item_dim(now))
            assert table.tolist() == [[row[c] for c in some] for row in rows]
    alike = mx.fit_em(mx.LCA(2), [[1, 3], [3, 1], [2, 2], [1, 1]], n_init=1, random_seed=1).to_datatree()
    turned = alike["posterior"].to_dataset().isel(category=[2, 0])
    assert level_table(turned, item_dim(turned)).tolist() == [["3", "1"]] * 2


def test_the_certificate_of_a_flat_prior_holds_on_the_boundary():
    cc = mx.crosscheck(mx.LCA(2, prior=None), survey(), **SHORT)
    assert (cc.em.params["p"][:, 1, 3] == 0).all()
    assert cc.passed, cc


def test_missing_answers_are_completed_with_levels():
    X = holes(survey())
    em = mx.fit_em(mx.LCA(2), X, random_seed=1, missing="integrate")
    found = mx.complete(em.spec, X, em.params, draws=400, random_seed=1)
    assert list(found.cells.columns) == ["level", "probability"]
    assert found.data["health"].dtype == survey()["health"].dtype
    assert not found.data.isna().any().any()
    seen = X.notna()
    assert (found.data.astype(object)[seen].fillna("-") == X.astype(object)[seen].fillna("-")).all().all()
    often = found.draws.eq(found.cells["level"], axis=0).mean(axis=1)
    np.testing.assert_allclose(often, found.cells["probability"], atol=0.12)


def test_select_and_the_command_line(tmp_path):
    holes(survey(150)).to_csv(tmp_path / "survey.csv", index=False)
    few = ["--n-init", 2, "--seed", 1, "--quiet"]
    missing = ["--missing", "integrate"]
    file, told = tmp_path / "survey.csv", ["--model", "lca"]
    code, out, err = run("select", file, *told, "--max-k", 3, "--json", *missing, *few)
    assert (code, err) == (0, "")
    assert json.loads(out)["recommended"] == 2
    code, out, err = run("complete", file, *told, "-k", 2, *few)
    assert (code, err) == (0, "")
    whole, asked = pd.read_csv(StringIO(out)), pd.read_csv(file)
    assert list(whole) == list(asked)
    assert not whole.isna().any(axis=None)
    pd.testing.assert_frame_equal(whole.where(asked.notna()), asked, check_dtype=False)


@pytest.mark.parametrize("spec", [mx.LCA(2), mx.Mixed(2, categorical=["a", "b"])], ids=["LCA", "Mixed"])
def test_a_column_without_a_cell_has_no_levels_and_is_named(spec):
    X = pd.DataFrame({"a": ["x", "y", "x"], "b": pd.array([None] * 3, dtype="string")})
    with pytest.raises(mx.InputError, match="column 'b' is without an observed cell"):
        mx.fit_em(spec, X, missing="integrate")
