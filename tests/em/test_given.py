"""A start that the user gives: parameters, labels or responsibilities."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import every_spec, make_rows

import mixtures as mx
from mixtures import GMM, InputError, fit_em

FAITHFUL = mx.datasets.faithful()
LABELS = (FAITHFUL["waiting"] > 68).to_numpy().astype(int)


@every_spec
def test_labels_and_responsibilities_start_from_one_m_step(spec):
    X, z = make_rows(spec, 60)
    z = np.arange(60) % spec.n_components if len(set(z)) < spec.n_components else z
    by_label = fit_em(spec, X, start=z, max_iter=3, tol=1e-300)
    r = np.eye(spec.n_components)[z]
    by_r = fit_em(spec, X, start=r, max_iter=3, tol=1e-300)
    assert by_label.objective_trace.tolist() == by_r.objective_trace.tolist()
    assert by_label.restarts.kinds == ("given",)


def test_the_responsibilities_of_a_fit_are_a_start():
    em = fit_em(GMM(2), FAITHFUL, random_seed=1)
    r = mx.responsibilities(em.spec, FAITHFUL, em.params)
    for start in (r, r["responsibilities"], r["responsibilities"].to_pandas()):
        again = fit_em(GMM(2), FAITHFUL, start=start)
        assert again.log_posterior == pytest.approx(em.log_posterior, abs=1e-6)
        assert again.n_iter <= 3


def test_weights_count_in_the_first_m_step():
    weights = np.random.default_rng(0).integers(1, 4, size=len(FAITHFUL))
    repeated = FAITHFUL.loc[FAITHFUL.index.repeat(weights)].reset_index(drop=True)
    weighted = fit_em(GMM(2), FAITHFUL, start=LABELS, weights=weights)
    whole = fit_em(GMM(2), repeated, start=LABELS.repeat(weights))
    np.testing.assert_allclose(weighted.objective_trace[0], whole.objective_trace[0], rtol=1e-12)


@every_spec
def test_where_cells_are_missing_one_cluster_says_what_to_expect_of_them(spec):
    X, z = make_rows(spec, 90, 3)
    holes = np.random.default_rng(0).random(X.shape) < 0.2
    X = np.where(holes, np.nan, X)
    weights = np.random.default_rng(1).integers(1, 4, size=len(X))
    kept = {"missing": "integrate", "max_iter": 2, "tol": 1e-300}
    by_label = fit_em(spec, X, start=z, weights=weights, **kept)
    one = fit_em(
        replace(spec, n_components=1, prior=None), X, weights=weights, missing="integrate", tol=1e-10
    )
    alike = {
        name: np.repeat(x, spec.n_components, axis=0) if "cluster" in spec.dims[name] else x
        for name, x in one.params.items()
    }
    stats = by_label.spec.expect(alike, X.T, weights * np.eye(spec.n_components)[z].T)
    from_one = fit_em(by_label.spec, X, start=by_label.spec.maximize(stats), weights=weights, **kept)
    np.testing.assert_allclose(by_label.objective_trace, from_one.objective_trace, rtol=1e-9)


def test_labels_start_a_fit_where_nothing_is_known_of_some_rows():
    X = FAITHFUL.to_numpy().copy()
    X[::3, 0], X[1::5, 1], X[10] = np.nan, np.nan, np.nan
    em = fit_em(GMM(2), X, start=LABELS, missing="integrate")
    best = fit_em(GMM(2), X, missing="integrate", random_seed=1, n_init=4)
    assert em.log_posterior == pytest.approx(best.log_posterior, abs=1e-6)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (LABELS[:5], "start has shape"),
        (LABELS + 1, "has the label 2, and labels go from 0 to 1; subtract 1 from labels that begin at 1"),
        (
            np.where(np.arange(len(LABELS)) == 17, np.nan, LABELS),
            "row 17 has the label nan, and labels go from 0 to 1",
        ),
        (0 * LABELS, "cluster 1 has no row"),
        (np.eye(2)[LABELS] * 0.9, "row 0 has responsibilities that do not add up to one"),
        (["short"] * len(LABELS), "start is neither a dictionary of parameters nor an array of numbers"),
        (7, "start has shape"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(start, message):
    with pytest.raises(InputError, match=message):
        fit_em(GMM(2), FAITHFUL, start=start)


@pytest.mark.parametrize("structure", ["full", "diag"])
def test_labels_of_a_cluster_of_identical_rows_are_named(structure):
    X = np.vstack([FAITHFUL.to_numpy()[[0, 0, 0]], FAITHFUL])
    labels = (np.arange(len(X)) >= 3).astype(int)
    with pytest.raises(InputError, match="start: the rows of cluster 0 make it collapse"):
        fit_em(GMM(2, prior=None, covariance_type=structure), X, start=labels)


def test_labels_of_rows_in_chunks_are_refused():
    with pytest.raises(InputError, match="in chunks"):
        fit_em(GMM(2), [FAITHFUL[:100], FAITHFUL[100:]], start=LABELS)


def test_a_cluster_of_rows_without_weight_has_no_row():
    with pytest.raises(InputError, match="cluster 0 has no row"):
        fit_em(GMM(2), FAITHFUL, start=LABELS, weights=LABELS)
