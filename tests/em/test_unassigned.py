"""Rows that no cluster can have made, or that lie too far away to tell: refused by name, never shared out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from shared import drawn

import mixtures as mx
from mixtures import BMM, GMM, InputError
from mixtures.data.reading import as_data
from mixtures.em.kernel import Kernel
from mixtures.families.assignment import share_out

COINS = {"alpha": [0.5, 0.5], "p": [[1.0, 0.3, 0.5], [0.2, 0.0, 1.0]]}
"""The first cluster always has a one first, the second never in the middle and always at the end."""

ONES = pd.DataFrame([[1, 1, 1], [0, 0, 1], [0, 1, 1], [1, 0, 0]], index=["p", "q", "r", "s"])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_density_of_zero_is_minus_infinity():
    spec, params = BMM(2), {name: np.array(x) for name, x in COINS.items()}
    found = spec.log_joint(params)(ONES.to_numpy(float).T)
    assert np.isneginf(found).tolist() == [[False, True, True, False], [True, False, True, True]]
    textbook = spec.family.textbook_log_density(ONES.to_numpy(float).T, params) + np.log(0.5)
    np.testing.assert_allclose(found, textbook, rtol=1e-12)
    assert spec.log_likelihood(ONES, params)[2] == -np.inf
    q = [[1, 0], [0, 1], [0.5, 0.5], [1, 0]]
    assert mx.q_function(spec, ONES, COINS, q) == mx.lower_bound(spec, ONES, COINS, q) == -np.inf


def test_rows_of_density_zero_are_refused_by_name(tmp_path):
    spec = BMM(2)
    tree = mx.trees.point_tree({n: np.array(x) for n, x in COINS.items()}, spec.dims, ["0", "1", "2"])
    told = r"row 2 \(index r\) is of density zero under every cluster"
    for params in (COINS, tree):
        for door in (mx.responsibilities, mx.plot.responsibilities, mx.plot.clusters):
            with pytest.raises(InputError, match=told):
                door(spec, ONES, params)
    with pytest.raises(InputError, match=told):
        mx.coclustering(spec, ONES, tree)
    with pytest.raises(InputError, match=told):
        spec.responsibilities(ONES, {n: np.array(x) for n, x in COINS.items()})
    good = mx.responsibilities(spec, ONES.drop(index="r"), tree)
    np.testing.assert_array_equal(good["label"], [0, 1, 0])
    many = np.tile(ONES.to_numpy(), (20_000, 1))
    with pytest.raises(
        InputError, match="row 2, row 6, row 10, row 14, row 18 and others are of density zero"
    ):
        mx.responsibilities(spec, many, COINS)
    later = np.vstack([many[many[:, 0] == 1], ONES.to_numpy()])
    with pytest.raises(InputError, match=f"row {len(later) - 2} is of density zero"):
        mx.responsibilities(spec, later, COINS)


@pytest.mark.parametrize("hard", [False, True])
def test_em_refuses_a_start_under_which_a_row_is_impossible(hard):
    spec = BMM(2, prior=None)
    told = "at these parameters row r is of density zero under every cluster: move what is given"
    with pytest.raises(InputError, match=told):
        mx.fit_em(spec, ONES, start=COINS, hard=hard)
    with pytest.raises(InputError, match=told):
        mx.em_step(spec, ONES, COINS, hard=hard)
    with pytest.raises(InputError, match=told):
        mx.fit_em(spec, ONES, hold={"p": COINS["p"]}, random_seed=1, hard=hard)
    with pytest.raises(InputError, match="row 2 is of density zero"):
        mx.fit_em(spec, [ONES.to_numpy()[:2], ONES.to_numpy()[2:]], start=COINS, hard=hard)


def test_a_row_of_weight_zero_may_be_impossible():
    spec, weights = BMM(2, prior=None), [1.0, 2.0, 0.0, 1.0]
    found = mx.em_step(spec, ONES, COINS, weights=weights)
    expected = mx.em_step(spec, ONES.drop(index="r"), COINS, weights=[1.0, 2.0, 1.0])
    for name, x in expected.items():
        np.testing.assert_allclose(found[name], x)


def test_maximum_likelihood_still_goes_to_zeros_and_ones():
    X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 30, axis=0)
    for accelerate in (None, "squarem"):
        em = mx.fit_em(BMM(2, prior=None), X, random_seed=2, accelerate=accelerate)
        assert set(em.params["p"].ravel()) == {0.0, 1.0}
        with pytest.raises(InputError, match="row 1 is of density zero"):
            mx.responsibilities(em.spec, [[1, 1, 0, 0], [1, 0, 0, 0]], em.params)


# Far away


@pytest.fixture(scope="module")
def far():
    X, _ = np.random.default_rng(0).normal(size=(100, 2)) * [1, 3], None
    X[:50] += 8
    em = mx.fit_em(GMM(2), X, n_init=2, random_seed=1)
    tied = mx.fit_em(GMM(2, covariance_type="tied"), X, n_init=2, random_seed=1)
    return em, tied


@pytest.mark.parametrize("size", 10.0 ** np.array([3, 6, 9, 15, 20, 100, 150, 153.9, 154.2, 200, 308]))
@pytest.mark.parametrize("direction", [(1, 1), (-1, 0.5), (0, -1)])
def test_a_far_row_has_the_right_probabilities_or_is_refused(size, direction, far):
    row = np.array([[0.0, 0.0], np.multiply(size, direction)])
    for em in far:
        right = _exact(em, row[1])
        for params in (em.params, drawn(em, 3)):
            try:
                found = mx.responsibilities(em.spec, row, params)["responsibilities"].values
            except InputError as error:
                assert str(error).startswith("row 1")  # noqa: PT017
                assert size > 1e9
            else:
                np.testing.assert_allclose(found[1], right, atol=1e-3)


def _exact(em, row):
    """Probabilities of one row in whole numbers and fractions: nothing is rounded."""
    from fractions import Fraction as F

    logs = []
    for k in range(2):
        S = em.params["Sigma"] if em.params["Sigma"].ndim == 2 else em.params["Sigma"][k]
        (a, b), (_, d) = [[F(float(x)) for x in r] for r in S]
        u, v = (F(float(x)) - F(float(m)) for x, m in zip(row, em.params["mu"][k], strict=True))
        det = a * d - b * b
        quadratic = (d * u * u - 2 * b * u * v + a * v * v) / det
        logs.append(F(float(np.log(em.params["alpha"][k]) - 0.5 * np.log(float(det)))) - quadratic / 2)
    apart = float(max(min(logs[0] - logs[1], F(700)), F(-700)))
    return np.array([1 / (1 + np.exp(-apart)), 1 / (1 + np.exp(apart))])


def test_what_is_refused_names_the_cell_or_the_row(far):
    em, tied = far
    frame = pd.DataFrame([[0.0, 0.0], [1.0, 1e200]], columns=["a", "b"], index=["u", "v"])
    with pytest.raises(InputError, match=r"row 1 \(index v\), column 'b': too large, up to 1e\+200"):
        mx.responsibilities(em.spec, frame, em.params)
    frame.loc["v", "b"] = 1e30
    tied.params["mu"][:] = [[0, 0], [1, 0]]  # only the first column tells them apart
    with pytest.raises(InputError, match=r"row 1 \(index v\) is so far from every cluster that rounding"):
        mx.responsibilities(tied.spec, frame, tied.params)


def test_shares_of_undecided_rows_are_no_numbers():
    joint = np.array([[-1.0, -np.inf, -1e20, -1e20, -2e20], [-2.0, -np.inf, -1e20, -3e20, -1e20]])
    r = share_out(joint)
    np.testing.assert_allclose(r[:, 0], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])
    assert np.isnan(r[:, 1:3]).all()
    np.testing.assert_array_equal(r[:, 3:], [[1, 0], [0, 1]])
    np.testing.assert_array_equal(share_out(np.array([[-1e20, -3.0]])), [[1, 1]])


def test_densities_beyond_the_largest_float_make_no_warning():
    """Rows of 120 features of sd 1e-4 have a log density over 709, beyond what exp can show."""
    rng = np.random.default_rng(0)
    X = 1e-4 * (np.repeat([[0.0], [1.0]], 40, axis=0) + rng.normal(size=(80, 120)))
    spec = mx.resolve(GMM(2, covariance_type="diag", prior=None), X)
    params = spec.maximize(spec.family.expect(None, X.T, np.repeat(np.eye(2), 40, axis=1)))
    assert spec.log_likelihood(X, params).min() > 709
    with Kernel(spec, as_data(X)) as kernel:
        assert kernel.e_step(params, 1e-6) is not None
    em = mx.fit_em(spec, X, start=params)
    assert em.log_likelihood == pytest.approx(spec.log_likelihood(X, em.params).sum(), rel=1e-12)
