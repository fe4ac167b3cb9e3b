"""Rows that are never in memory at once: PyMC's density of all of them, the certificate, and Laplace."""

import numpy as np
import pytest
from conftest import long

import mixtures as mx
from mixtures.agreement import large
from mixtures.clusters.labelled import anchored_of
from mixtures.data.reading import as_data
from mixtures.data.sources import as_rows
from mixtures.density import streamed as streaming
from mixtures.density.compiled import CompiledModel
from mixtures.density.streamed import StreamedModel
from mixtures.em.estep import e_step
from mixtures.families.covariance import COVARIANCES
from mixtures.standard_errors.information import observed_information

N = 1000


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Several pieces a chunk, the last of them short."""
    monkeypatch.setattr(streaming, "PIECE", 256)


def rows(binary=False, n=N, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) + np.where(rng.random((n, 1)) < 0.3, 0.0, [4.0, 2.0, -3.0])
    return (X > 1).astype(float) if binary else X


def in_chunks(X):
    return [X[:300], X[300:310], X[310:]]


SPECS = [
    *long(*(mx.GMM(2, covariance_type=name) for name in COVARIANCES)),  # a crosscheck below has one of them
    mx.BMM(2),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: getattr(spec, "covariance_type", "bernoulli"))
@pytest.mark.parametrize(
    ("weighted", "labelled"),
    [*(pytest.param(w, False, marks=pytest.mark.long) for w in (False, True)), (True, True)],
)
def test_the_sum_over_blocks_is_the_density_of_all_rows(spec, weighted, labelled):
    X = rows(isinstance(spec, mx.BMM))
    weights = np.random.default_rng(1).uniform(0, 3, N) if weighted else None
    labels = (
        np.where(np.arange(N) % 900 < 305, -1, np.random.default_rng(3).integers(-1, 2, N))
        if labelled
        else None
    )
    beside = {"weights": weights, "labels": labels}
    spec = mx.resolve(spec, X, weights=weights)
    whole = CompiledModel(mx.declare(spec, X, **beside))
    streamed = StreamedModel(spec, as_rows(in_chunks(X), **beside), np.random.default_rng(2))
    em = mx.fit_em(spec, X, n_init=2, random_seed=1, **beside)

    x = streamed.unconstrain(em.params) + 0.05  # away from the mode, so that the slope is not zero
    expected, _ = whole.value_and_grad(whole.unconstrain(streamed.constrain(x)))
    value, slope = streamed.value_and_grad(x)
    assert value == pytest.approx(expected, rel=1e-12)
    for j in range(0, x.size, 3):
        step = 1e-5 * np.eye(x.size)[j]
        change = streamed.value_and_grad(x + step)[0] - streamed.value_and_grad(x - step)[0]
        assert slope[j] == pytest.approx(change / 2e-5, rel=1e-5, abs=1e-3)

    ours = observed_information(streamed, em.params, {}).sd
    theirs = observed_information(whole, em.params, {}).sd
    for name, sd in theirs.items():
        np.testing.assert_allclose(ours[name], sd, rtol=1e-6)


def test_the_jacobian_is_that_of_the_coordinates():
    X = rows()
    spec = mx.resolve(mx.GMM(2, covariance_type="tied_diag"), X)
    streamed = StreamedModel(spec, as_rows(in_chunks(X)), np.random.default_rng(2))
    x = streamed.initial_point(3)
    _, log_jacobian = streamed.constrain_with_jacobian(x)
    without, slope = streamed.value_and_grad(x)
    value, gradient = streamed.value_and_grad(x, jacobian=True)
    assert value - without == pytest.approx(float(log_jacobian), rel=1e-9)
    assert np.abs(gradient - slope).max() > 0.1


@pytest.mark.parametrize("structure", [*long("full"), "tied_diag"])
def test_crosscheck_certifies_all_rows_and_samples_some(structure):
    spec, X = mx.GMM(2, covariance_type=structure), rows()
    options = {"n_init": 3, "draws": 500, "random_seed": 1, "progressbar": False}
    in_memory, cc = (mx.crosscheck(spec, given, **options) for given in (X, in_chunks(X)))
    assert cc.passed, [check for check in cc.certificate if not check.passed]
    assert len(cc.certificate) == len(in_memory.certificate)
    np.testing.assert_allclose(cc.table["EM"], in_memory.table["EM"], rtol=1e-7)
    assert cc.posterior.attrs["method"].startswith("Laplace")
    assert any("Laplace" in note for note in cc.notes)
    assert any("NUTS on 256 rows" in note for note in cc.notes)
    assert np.abs(np.log(cc.table["sd"] / in_memory.table["sd"])).max() < 0.12  # NUTS on all rows
    assert np.abs(np.log(cc.table["sd_nuts"] / in_memory.table["sd"])).max() < 0.6  # on a quarter of them
    assert np.abs((cc.table["mean"] - in_memory.table["mean"]) / in_memory.table["sd"]).max() < 0.3


@pytest.mark.parametrize("missing", [None, "integrate"])
def test_weights_labels_and_missing_cells_reach_the_certificate(missing, monkeypatch, tmp_path):
    X = rows(binary=True)
    labels = np.where(np.arange(N) % 10 < 2, X[:, 0] < X[:, 2], -1)
    weights = np.random.default_rng(1).integers(0, 4, N).astype(float)
    if missing:
        X[np.random.default_rng(2).random(X.shape) < 0.15] = np.nan
    repeated, known = (np.repeat(x, weights.astype(int), axis=0) for x in (X, labels))
    settings = {"n_init": 2, "draws": 50, "tune": 100, "chains": 2, "random_seed": 1, "progressbar": False}
    given = {"weights": weights, "missing": missing, "labels": labels, **settings}
    cc = mx.crosscheck(mx.BMM(2), in_chunks(X), **given)
    expected = mx.fit_em(mx.BMM(2), repeated, n_init=2, random_seed=1, missing=missing, labels=known)
    assert cc.certificate[0].passed
    assert cc.em.log_posterior == pytest.approx(expected.log_posterior, rel=1e-9)
    assert cc.posterior.attrs["method"].startswith("Laplace")
    assert anchored_of(cc.posterior).tolist() == [0, 1]
    assert any("NUTS on 256 rows" in note for note in cc.notes)
    monkeypatch.setattr(large, "MOST_CELLS", X.size - 1)
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    if missing:
        for rows_of in (in_chunks(X), mapped):
            with pytest.raises(mx.InputError, match="1,000 rows are too many, 999 is the limit"):
                mx.crosscheck(mx.BMM(2), rows_of, **given)
        return
    blocks = []
    monkeypatch.setattr(large, "crosscheck_blocks", lambda _, rows, *how: blocks.append(rows) or cc)
    monkeypatch.setattr("mixtures.data.chunks.BLOCK_ROWS", 300)
    mx.crosscheck(mx.BMM(2), mapped, **given)
    assert blocks[0].sizes.tolist() == [300, 300, 300, 100]
    assert blocks[0].totals.sum() == weights.sum()
    assert blocks[0].in_memory().labels.tolist() == labels.tolist()
    np.testing.assert_array_equal(blocks[0].in_memory().values, X)


def test_a_subset_of_rows_keeps_the_labels_of_levels():
    words = np.array([["yes", "low"], ["no", "high"], ["no", None]] * 100, dtype=object)
    spec = mx.resolve(mx.LCA(2), words, missing="integrate")
    some = streaming.some_rows(spec.rows(in_chunks(words)[:2], missing="integrate"), np.random.default_rng(1))
    assert some.levels == (("no", "yes"), ("high", "low"))
    np.testing.assert_array_equal(spec.read(some).values, some.values)


def test_a_label_that_no_row_of_the_subset_has_still_counts():
    X = rows(binary=True)
    spec, labels = mx.resolve(mx.BMM(2), X), np.where(np.arange(N) == 999, 1, -1)
    params = {"alpha": [0.7, 0.3], "p": [[0.9, 0.8, 0.1], [0.2, 0.3, 0.6]]}
    seed = next(s for s in range(9) if 999 not in np.random.default_rng(s).choice(N, 256, replace=False))
    streamed = StreamedModel(spec, as_rows(in_chunks(X), labels=labels), np.random.default_rng(seed))
    assert streamed.sub.labels is None
    checked = spec.check_params(params, 3)
    expected = e_step(spec, as_data(X, labels=labels), checked)
    assert streamed.value_and_grad(streamed.unconstrain(checked))[0] == pytest.approx(
        expected.log_likelihood + spec.log_prior(checked), rel=1e-12
    )


def test_an_improper_posterior_is_not_approximated():
    cc = mx.crosscheck(
        mx.GMM(2, prior=None, covariance_type="tied_diag"),
        in_chunks(rows()),
        n_init=2,
        random_seed=1,
        draws=50,
        progressbar=False,
    )
    assert cc.posterior is None
    assert cc.passed
    assert any("improper" in note for note in cc.notes)


def test_uncertainty_side_by_side_needs_the_rows():
    with pytest.raises(mx.InputError, match="in memory"):
        mx.crosscheck(mx.GMM(2), in_chunks(rows()), uncertainty="all")
