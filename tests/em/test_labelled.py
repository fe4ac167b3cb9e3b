"""Known labels in EM: labelled rows count with their joint density and belong to their cluster alone."""

import re

import numpy as np
import pandas as pd
import pytest
from conftest import every_spec, make_params, make_rows, oracle, simulate, spec_id, tries
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import logsumexp

from mixtures import BMM, GMM, CollapseError, InputError, em_step, fit_em, resolve
from mixtures.data.known_labels import anchored_clusters
from mixtures.data.reading import as_data
from mixtures.em.batch import advance
from mixtures.em.estep import e_step
from mixtures.em.grouped import GroupedKernel
from mixtures.em.kernel import Kernel
from mixtures.em.problem import problem_of
from mixtures.families.poisson_model import PMM

STRUCTURES = ["full", "tied", "diag", "spherical"]


def some_of(z, share=0.3, seed=0):
    """Labels of a part of the rows, -1 for the others."""
    return np.where(np.random.default_rng(seed).random(len(z)) < share, z, -1)


def row_densities(spec, X, params, labels):
    """Log density of every row: joint with its cluster where that is known, by SciPy's densities."""
    independent = oracle(spec)
    clusters = independent.clusters(spec.family, params)
    joint = np.stack([independent.log_density(one, X) for one in clusters]) + np.log(params["alpha"])[:, None]
    return np.where(labels >= 0, joint[labels, np.arange(len(X))], logsumexp(joint, axis=0))


# The E-step


@every_spec
def test_a_labelled_row_counts_with_its_joint_density(spec):
    params, X, z = simulate(spec, n_rows=80)
    labels, weights = some_of(z), np.random.default_rng(1).integers(0, 4, len(X))
    expected = row_densities(spec, X, params, labels)
    passed = e_step(spec, as_data(X, labels=labels), params)
    np.testing.assert_allclose(passed.log_likelihood, expected.sum(), rtol=1e-10)
    passed = e_step(spec, as_data(X, weights, labels=labels), params)
    np.testing.assert_allclose(passed.log_likelihood, weights @ expected, rtol=1e-10)
    np.testing.assert_allclose(passed.statistics.count.sum(), weights.sum(), rtol=1e-12)


@every_spec
def test_with_all_labels_the_counts_are_those_of_the_groups(spec):
    params, X, z = simulate(spec, n_rows=80)
    passed = e_step(spec, as_data(X, labels=z), params)
    np.testing.assert_array_equal(passed.statistics.count, np.bincount(z, minlength=3))


@every_spec
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
def test_the_fast_e_steps_agree_with_the_plain_one(spec, weighted):
    params, X, z = simulate(spec, n_rows=120)
    spec = resolve(spec, X)
    weights = np.random.default_rng(1).integers(0, 4, len(X)) if weighted else None
    data = as_data(X, weights, labels=some_of(z))
    plain = e_step(spec, data, params)
    fast = Kernel(spec, data).e_step(params, 1e-3)
    (run,) = advance(problem_of(spec, data, None, None, False), data, [params], 0)
    assert fast is not None
    for log_likelihood in (fast.log_likelihood, run.log_likelihood):
        np.testing.assert_allclose(log_likelihood, plain.log_likelihood, rtol=1e-10)
    for name, x in spec.maximize(plain.statistics).items():
        np.testing.assert_allclose(spec.maximize(fast.statistics)[name], x, rtol=1e-8, err_msg=name)


@pytest.mark.parametrize("spec", [*(GMM(3, covariance_type=s) for s in STRUCTURES), BMM(3)], ids=spec_id)
def test_labels_beside_missing_cells(spec):
    params, X, z = simulate(spec, n_features=3, n_rows=90)
    holes = np.random.default_rng(2).random(X.shape) < 0.2
    holes[np.arange(len(X)), np.arange(len(X)) % 3] = False
    X, labels = np.where(holes, np.nan, X), some_of(z)
    spec = resolve(spec, X, missing="integrate")
    data = as_data(X, missing="integrate", labels=labels)
    joint = spec.log_joint(params)(X.T)
    expected = np.where(labels >= 0, joint[labels, np.arange(90)], logsumexp(joint, axis=0)).sum()
    plain, fast = e_step(spec, data, params), GroupedKernel(spec, data).e_step(params, 1e-3)
    for passed in (plain, fast):
        np.testing.assert_allclose(passed.log_likelihood, expected, rtol=1e-10)
        np.testing.assert_allclose(passed.statistics.count, plain.statistics.count, rtol=1e-9)


# Estimates


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_with_all_labels_gaussian_estimates_are_those_of_the_groups(structure, weighted):
    X, z = make_rows(GMM(3), 90, 3)
    w = np.random.default_rng(1).integers(1, 4, 90).astype(float) if weighted else np.ones(90)
    spec = GMM(3, prior=None, covariance_type=structure)
    em = fit_em(spec, X, labels=z, weights=w if weighted else None, random_seed=1)
    r = (z == np.arange(3)[:, None]) * w
    count, mean = r.sum(axis=1), r @ X / r.sum(axis=1)[:, None]
    apart = X - mean[:, None]
    scatter = np.einsum("kn,knd,kne->kde", r, apart, apart)
    each, own = scatter / count[:, None, None], np.einsum("kdd->kd", scatter) / count[:, None]
    expected = {
        "full": each,
        "tied": scatter.sum(axis=0) / w.sum(),
        "diag": own,
        "spherical": own.mean(axis=1),
    }[structure]
    np.testing.assert_allclose(em.params["alpha"], count / w.sum(), rtol=1e-12)
    np.testing.assert_allclose(em.params["mu"], mean, rtol=1e-12)
    found = em.params["Sigma" if structure in ("full", "tied") else "sigma2"]
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-10)


@pytest.mark.parametrize(("spec", "name"), [(BMM(3, prior=None), "p"), (PMM(3, prior=None), "rate")])
def test_with_all_labels_independent_columns_have_the_means_of_the_groups(spec, name):
    X, z = make_rows(spec, 90, 4)
    em = fit_em(spec, X, labels=z, random_seed=1)
    np.testing.assert_allclose(em.params["alpha"], np.bincount(z) / 90, rtol=1e-12)
    np.testing.assert_allclose(em.params[name], [X[z == k].mean(axis=0) for k in range(3)], rtol=1e-12)


def test_em_ends_where_a_direct_search_of_the_likelihood_does():
    rng = np.random.default_rng(3)
    z = rng.integers(2, size=80)
    X = (2.0 * z + rng.normal(size=80))[:, None]
    labels = some_of(z, 0.2)
    em = fit_em(GMM(2, prior=None), X, labels=labels, random_seed=1, tol=1e-9)

    def params_at(u):
        alpha = 1 / (1 + np.exp(-u[0]))
        return {
            "alpha": np.array([alpha, 1 - alpha]),
            "mu": u[1:3, None],
            "Sigma": np.exp(u[3:5])[:, None, None],
        }

    def height(u):
        return -row_densities(em.spec, X, params_at(u), labels).sum()

    start = np.array([0.0, *em.params["mu"][:, 0], 0.0, 0.0])
    found = optimize.minimize(height, start, method="BFGS", options={"gtol": 1e-7})
    assert abs(-found.fun - em.log_likelihood) < 1e-8
    np.testing.assert_allclose(params_at(found.x)["mu"], em.params["mu"], atol=1e-4)


@every_spec
def test_clusters_keep_the_numbers_that_labels_give_them(spec):
    X, z = make_rows(spec, 120, 6, seed=1, apart=6.0)
    for numbers in ([2, 0, 1], [1, 2, 0]):
        own = np.array(numbers)[z]
        em = fit_em(spec, X, labels=some_of(own, 0.1), random_seed=1)
        r = em.spec.responsibilities(X, em.params)
        assert (r.argmax(axis=1) == own).mean() > 0.9
        sparse = np.where(np.arange(len(X)) == np.argmax(own == 2), 2, -1)  # one label anchors
        em = fit_em(spec, X, labels=sparse, random_seed=1)
        assert em.spec.responsibilities(X[own == 2], em.params).mean(axis=0).argmax() == 2


def test_clusters_without_labels_are_in_the_order_of_their_size():
    rng = np.random.default_rng(0)
    z = np.repeat(np.arange(4), [10, 40, 20, 30])
    X = np.array([0.0, 10.0, 20.0, 30.0])[z][:, None] + rng.normal(size=(100, 1))
    em = fit_em(GMM(4), X, labels=np.where(z == 0, 1, -1), random_seed=1)
    np.testing.assert_allclose(em.params["mu"][:, 0], [10, 0, 30, 20], atol=1)


@every_spec
def test_no_label_known_is_the_fit_without_labels_to_the_bit(spec):
    X, _ = make_rows(spec, 60)
    plain = fit_em(spec, X, n_init=3, random_seed=1)
    for nothing in ([None] * 60, [-1] * 60, np.full(60, np.nan)):
        em = fit_em(spec, X, n_init=3, random_seed=1, labels=nothing)
        for name, x in plain.params.items():
            np.testing.assert_array_equal(em.params[name], x)


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1), k=st.integers(1, 4), weighted=st.booleans())
@tries(15)
def test_em_never_falls_whatever_the_labels(seed, share, k, weighted):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 2)).round(1)
    labels = np.where(rng.random(40) < share, rng.integers(k, size=40), -1)
    weights = rng.integers(0, 3, 40) + (np.arange(40) < 5) if weighted else None
    em = fit_em(GMM(k), X, labels=labels, weights=weights, n_init=2, random_seed=seed)
    assert (np.diff(em.objective_trace) > -1e-8).all()
    data = as_data(X, weights, labels=labels)
    np.testing.assert_allclose(
        em.log_likelihood, e_step(em.spec, data, em.params).log_likelihood, rtol=1e-10, atol=1e-8
    )


# With the other options


def test_a_step_is_the_first_iteration_of_the_fit():
    params, X, z = simulate(GMM(3))
    labels = some_of(z)
    spec = resolve(GMM(3), X)
    step = em_step(spec, X, params, labels=labels)
    passed = e_step(spec, as_data(X, labels=labels), params)
    for name, x in spec.maximize(passed.statistics).items():
        np.testing.assert_allclose(step[name], x, rtol=1e-12)
    assert np.abs(step["mu"] - em_step(spec, X, params)["mu"]).max() > 1e-6


def test_repeated_rows_with_different_labels_are_not_taken_together():
    X = np.tile([[0.0, 1.0], [5.0, 4.0]], (50, 1))
    labels = np.resize([0, 1, -1, -1, 0, 0], 100)
    data = as_data(X, labels=labels)
    distinct = data.compressed
    pairs = {(*row, label) for row, label in zip(X.tolist(), labels.tolist(), strict=True)}
    assert distinct.n_rows == len(pairs)
    assert distinct.total == 100
    params = make_params(GMM(2))
    spec = resolve(GMM(2), np.random.default_rng(0).normal(size=(30, 2)))
    whole, few = e_step(spec, data, params), e_step(spec, distinct, params)
    np.testing.assert_allclose(few.log_likelihood, whole.log_likelihood, rtol=1e-12)


def test_held_parameters_stay():
    _, X, z = simulate(GMM(2))
    em = fit_em(GMM(2), X, labels=some_of(z), hold={"alpha": [0.5, 0.5]}, random_seed=1)
    np.testing.assert_array_equal(em.params["alpha"], [0.5, 0.5])


def test_hard_assignment_leaves_labelled_rows_in_their_clusters():
    X = np.array([0.0, 0.1, 0.2, 10.0, 10.1, 10.2])[:, None]
    labels = [0, -1, -1, -1, -1, 0]
    hold = {"sigma2": 1.0, "alpha": [0.5, 0.5]}
    em = fit_em(GMM(2, covariance_type="spherical"), X, labels=labels, hard=True, hold=hold, random_seed=1)
    assert np.isfinite(em.objective_trace).all()
    own = X[[0, 5]].mean()
    assert min(abs(em.params["mu"][0, 0] - own), 5) < 5  # the labelled rows pull cluster 0 between them


def test_a_start_by_responsibilities_gives_way_to_labels():
    X, z = make_rows(GMM(2), 60, apart=6.0)
    em = fit_em(GMM(2), X, labels=z, start=1 - z)
    np.testing.assert_allclose(em.params["mu"], fit_em(GMM(2), X, labels=z, random_seed=1).params["mu"])


def test_a_labelled_row_that_its_cluster_rules_out_moves_the_cluster():
    X = np.array([[0, 0], [0, 0], [1, 1], [1, 1], [1, 0]])
    start = {"alpha": [0.5, 0.5], "p": [[0.0, 0.0], [1.0, 0.5]]}
    em = fit_em(BMM(2, prior=None), X, labels=[0, -1, -1, -1, 0], start=start)
    assert np.isneginf(em.objective_trace[0])
    assert np.isfinite(em.log_likelihood)
    assert em.params["p"][0, 0] > 0


# What is refused


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 0, 1, 0], "row 2: label is 2, and the model has n_components=2; labels are from 0"),
        ([0, 1, -2, 0, 1, 0], "row 2: label is -2; labels are whole numbers from 0"),
        ([0, 1, 0.5, 0, 1, 0], "row 2: label is 0.5"),
        ([0, 1, np.inf, 0, 1, 0], "row 2: label is inf"),
        ([0, 1, 1e300, 0, 1, 0], "row 2: label is 1e\\+300"),
        ([0, 1], r"labels have shape \(2,\); the data have 6 rows"),
        ([[0], [1]], r"labels have shape \(2, 1\)"),
        (["a", "b", "a", "b", "a", "b"], "labels are not an array of numbers: text .*pandas.factorize"),
        ([True, False, True, None, False, True], "numbers: true and false; number the clusters, .* with -1"),
        (np.arange(6) < 3, "true and false"),
        (pd.Series([True, None] * 3, dtype="boolean"), "true and false"),
        ([np.arange(3) % 2] * 2, r"labels are a list of arrays; .*numpy.concatenate\(labels\)"),
        ([np.arange(4) % 2, np.array([1, 0])], "labels are a list of arrays"),
    ],
)
def test_labels_that_no_model_has(labels, message):
    X = np.random.default_rng(0).normal(size=(6, 2))
    for call in (fit_em, lambda *a, **k: em_step(*a, make_params(GMM(2)), **k)):
        with pytest.raises(InputError, match=message):
            call(GMM(2), X, labels=labels)


def test_unknown_is_written_in_many_ways():
    X = np.zeros((4, 1))
    for labels in (
        [1, None, -1, np.nan],
        pd.Series([1, None, -1, pd.NA], dtype="Int64"),
        np.ma.masked_array([1, 0, -1, 0], [False, True, False, True]),
        pd.array([1, pd.NA, -1, pd.NA], dtype="Int64"),
    ):
        assert as_data(X, labels=labels).labels.tolist() == [1, -1, -1, -1]


def test_a_series_is_matched_by_its_index():
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=["a", "b", "c"])
    labels = pd.Series([2, 0, 1], index=["c", "a", "b"])
    assert as_data(frame, labels=labels).labels.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"the index of the labels is not that of the data.*labels.to_numpy"):
        as_data(frame, labels=pd.Series([0, 1, 1], index=["a", "b", "d"]))
    with pytest.raises(InputError, match=re.escape("row 1 (index b): label is 7")):
        GMM(2).read(frame, labels=[0, 7, -1])


@pytest.mark.parametrize("structure", ["full", "diag"])
@pytest.mark.parametrize("unknown", [0, 1])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_cluster_that_the_labels_leave_without_rows_has_collapsed(structure, unknown):
    """Without a prior nothing is known of its covariance."""
    X = np.random.default_rng(0).normal(size=(20, 2))
    labels = np.where(np.arange(20) < unknown, -1, 0)
    with pytest.raises(CollapseError, match="cluster 1 collapsed"):
        fit_em(GMM(2, covariance_type=structure, prior=None), X, labels=labels, n_init=2, random_seed=0)


def test_rows_of_weight_zero_anchor_nothing():
    data = as_data(np.zeros((3, 1)), [0, 1, 1], labels=[0, 1, -1])
    assert anchored_clusters(data).tolist() == [1]
