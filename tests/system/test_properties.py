"""What must not change an answer, tried on random and awkward data: order, units, repeats, cuts."""

from dataclasses import replace

import numpy as np
from conftest import every_spec, every_spec_in_turn, tries
from hypothesis import given
from hypothesis import strategies as st
from problems import Reorder, change, condition, recipes, stated, units

from mixtures import InputError, fit_em, resolve
from mixtures.errors import CollapseError
from mixtures.tolerances import TOLERANCES

every_prior = every_spec_in_turn("prior", ["default", None, "stated"])
seeds = st.integers(0, 9999)
EPS = np.finfo(float).eps
STEPS = 4
WHITENED = 1e-30
"""A tolerance so small that the natural form of the E-step, which may err by as much, is never taken."""


def posed(spec, recipe, prior, **options):
    """A resolved model, and rows that it can be fitted to; None if they are refused."""
    spec = replace(spec, n_components=recipe.n_components)
    try:
        X = recipe.rows_for(spec)
        spec = stated(spec, X, -1.0, -1.0) if prior == "stated" else replace(spec, prior=prior)
        return resolve(spec, X, **options), X
    except InputError:
        return None


def random_start(spec, X, seed):
    """The parameters after one M-step from random responsibilities."""
    r = np.random.default_rng(seed).dirichlet(np.ones(spec.n_components), size=len(X)).T
    return spec.maximize(spec.family.expect(None, X.T, r))


def climb(spec, X, start, **options):
    """Objectives and last parameters of a few steps of EM, and whether a collapse ended them."""
    try:
        em = fit_em(spec, X, start=start, max_iter=STEPS, tol=WHITENED, **options)
    except CollapseError as error:
        return error.objective_trace, error.params, True
    return em.objective_trace, em.params, False


def assert_same_climb(spec, X, ours, expected, *, worse=1.0):
    """The same objectives and the same end, up to rounding errors, which are ``worse`` times larger."""
    (trace, params, collapsed), (expected_trace, expected_params, expected_collapse) = ours, expected
    assert collapsed == expected_collapse
    if collapsed and not len(expected_trace):
        return
    terms = (
        np.abs(spec.log_likelihood(X, expected_params)).sum() + X.size + abs(spec.log_prior(expected_params))
    )
    lost = TOLERANCES.natural_loss + 100 * EPS * worse * condition(spec, expected_params)
    length = min(len(trace), len(expected_trace))  # EM stops when nothing but rounding is left
    np.testing.assert_allclose(trace[:length], expected_trace[:length], rtol=0, atol=lost * terms)
    step = spec.step_length(params, expected_params, np.ones(spec.n_components))
    assert step < TOLERANCES.em_step + 100 * lost
    r, expected_r = (spec.responsibilities(X, p) for p in (params, expected_params))
    np.testing.assert_allclose(r, expected_r, atol=TOLERANCES.em_step + 1e4 * lost)


# Order


@every_prior
@tries(6)
@given(recipe=recipes(), seed=seeds)
def test_the_order_of_rows_and_clusters_does_not_matter(spec, prior, recipe, seed):
    if (problem := posed(spec, recipe, prior)) is None:
        return
    spec, X = problem
    start, rng = random_start(spec, X, seed), np.random.default_rng(seed)
    rows, clusters = rng.permutation(len(X)), rng.permutation(spec.n_components)
    expected = climb(spec, X, start)
    trace, params, collapsed = climb(spec, X[rows], spec.relabel(start, clusters))
    back = spec.relabel(params, np.argsort(clusters))
    assert_same_climb(spec, X, (trace, back, collapsed), expected)


@every_prior
@tries(6)
@given(recipe=recipes(), seed=seeds)
def test_the_order_of_columns_does_not_matter(spec, prior, recipe, seed):
    if (problem := posed(spec, recipe, prior)) is not None:
        columns = np.random.default_rng(seed).permutation(recipe.n_features)
        assert_follows(*problem, Reorder(columns, problem[0].dims), seed)


def assert_follows(spec, X, changed, seed):
    """Changed data move the prior and the parameters, and nothing else."""
    other = replace(spec, prior=changed.prior(spec.prior))
    start = random_start(spec, X, seed)
    trace, params, collapsed = climb(other, changed.rows(X), changed.params(start))
    higher = other.log_prior(changed.params(start)) - spec.log_prior(start) - len(X) * changed.log_det
    ours = trace - higher, changed.inverse.params(params), collapsed
    assert_same_climb(spec, X, ours, climb(spec, X, start), worse=changed.worse)


# Units, axes and origin


@every_prior
@tries(6)
@given(
    recipe=recipes(awkward=False),
    seed=seeds,
    log_condition=st.floats(0, 5),
    log_units=units,
    log_offset=st.floats(0, 6),
)
def test_units_axes_and_origin_move_the_parameters_and_nothing_else(
    spec, prior, recipe, seed, log_condition, log_units, log_offset
):
    """Units from 1e-6 to 1e6, condition numbers to 1e10, means a million sds from 0."""
    if (problem := posed(spec, recipe, prior)) is None:
        return
    spec, X = problem
    changed = change(spec, X, seed, log_condition, log_units, log_offset)
    assert_follows(spec, X, changed, seed)
    if prior == "default":
        resolved = resolve(replace(spec, prior="default"), changed.rows(X)).prior
        for name, x in vars(changed.inverse.prior(resolved)).items():
            scale = np.abs(vars(spec.prior)[name]).max() + np.abs(X).max()
            np.testing.assert_allclose(
                x, vars(spec.prior)[name], atol=1e3 * EPS * changed.worse * scale, err_msg=name
            )


# Weights and repeats


@every_prior
@tries(6)
@given(recipe=recipes(), seed=seeds)
def test_whole_weights_are_repeated_rows_whatever_the_rows(spec, prior, recipe, seed):
    """A weight of 0 is a row that is not there."""
    weights = np.random.default_rng(seed).integers(0, 4, recipe.n_rows)
    if not weights.any() or (problem := posed(spec, recipe, prior, weights=weights)) is None:
        return
    spec, X = problem
    repeated = np.repeat(X, weights, axis=0)
    start = random_start(spec, X, seed)
    expected = climb(spec, repeated, start)
    assert_same_climb(spec, repeated, climb(spec, X, start, weights=weights), expected)


@every_spec
@tries(6)
@given(recipe=recipes(), seed=seeds, factor=st.floats(1e-3, 1e3))
def test_without_a_prior_only_the_shares_of_the_weights_matter(spec, recipe, seed, factor):
    if (problem := posed(spec, recipe, None)) is None:
        return
    spec, X = problem
    weights = np.random.default_rng(seed).uniform(0.6, 2, len(X))
    factor = max(factor, 1.1 / weights.sum())  # a total below one is refused
    start = random_start(spec, X, seed)
    trace, params, collapsed = climb(spec, X, start, weights=weights)
    scaled = trace * factor, params, collapsed
    ours = climb(spec, X, start, weights=factor * weights)
    assert_same_climb(spec, np.repeat(X, int(np.ceil(2 * factor)), axis=0), ours, scaled)


# How rows are cut


@every_prior
@tries(6)
@given(recipe=recipes(), seed=seeds, n_chunks=st.integers(1, 12))
def test_rows_in_chunks_are_rows_in_one_table(spec, prior, recipe, seed, n_chunks):
    if (problem := posed(spec, recipe, prior)) is None:
        return
    spec, X = problem
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(X) + 1, n_chunks - 1))
    chunks = [part for part in np.split(X, cuts) if len(part)]
    start = random_start(spec, X, seed)
    assert_same_climb(spec, X, climb(spec, chunks, start), climb(spec, X, start))


@every_spec
@tries(6)
@given(recipe=recipes(), seed=seeds, n_parts=st.integers(1, 12))
def test_statistics_add_up_in_any_order(spec, recipe, seed, n_parts):
    """Parts may hold a single row, or no row of some cluster."""
    if (problem := posed(spec, recipe, None)) is None:
        return
    spec, X = problem
    rng, statistics = np.random.default_rng(seed), spec.family.statistics
    r = rng.dirichlet(np.ones(spec.n_components), size=len(X)).T
    r[:, rng.random(len(X)) < 0.3] = np.eye(spec.n_components)[:, [0]]
    part = rng.integers(0, n_parts, len(X))
    parts = [
        statistics(X[part == i].T, r[:, part == i]) for i in rng.permutation(n_parts) if (part == i).any()
    ]
    while len(parts) > 1:  # two at a time, any two
        i = rng.integers(len(parts) - 1)
        parts.append(parts.pop(i) + parts.pop(i))
    whole, total = statistics(X.T, r), parts[0]
    for name, x in vars(whole).items():
        if isinstance(x, np.ndarray):
            np.testing.assert_allclose(getattr(total, name), x, rtol=1e-9, atol=1e-12 * X.size, err_msg=name)
