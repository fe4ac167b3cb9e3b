"""BIC and ICL against the values that mclust prints, constants and all; its sign is the other way round."""

import numpy as np
import pytest
from scipy import stats

import mixtures as mx

NEAR = 0.05
"""EM of mclust stops when its log-likelihood changes by less than 1e-5 of it: some hundredths early."""

MCLUST = [
    ("faithful", "full", 1, -2607.623),  # VVV
    ("faithful", "full", 2, -2322.192),
    ("faithful", "tied", 3, -2314.316),  # EEE
    ("iris", "tied_spherical", 1, -1804.0854),  # EII
    ("iris", "diag", 1, -1522.1202),  # VVI
    ("iris", "diag", 2, -857.5515),
    ("iris", "tied", 1, -829.9782),  # EEE
    ("iris", "tied", 2, -688.0972),
    ("iris", "full", 2, -574.0178),  # VVV
    ("iris", "full", 3, -580.8396),
]


@pytest.mark.parametrize(("data", "covariance_type", "k", "bic"), MCLUST)
def test_the_bic_of_mclust(data, covariance_type, k, bic):
    X = mx.datasets.load(data)
    spec = mx.GMM(k, covariance_type=covariance_type, prior=None)
    table = mx.select(spec, X, [k], criteria=["bic"], random_seed=1, progressbar=False).table
    assert table.loc[k, "bic"] == pytest.approx(-bic, abs=NEAR)


def test_log_likelihood_and_icl_of_mclust():
    """Its summary of faithful: EEE, three clusters, df 11."""
    X = mx.datasets.faithful()
    spec = mx.GMM(3, covariance_type="tied", prior=None)
    row = mx.select(spec, X, [3], random_seed=1, progressbar=False).table.loc[3]
    assert spec.parameter_count(2) == 11
    assert row["log_likelihood"] == pytest.approx(-1126.326, abs=NEAR)
    # where EM reaches the printed log-likelihood to 0.002, ICL is 2357.3, 2357.7 or 2359.6, by the start
    assert row["icl"] == pytest.approx(2357.824, abs=1.0)


def test_one_cluster_is_a_normal_distribution():
    """With one cluster all constants are those of the normal log-density, and nothing is uncertain."""
    X = mx.datasets.iris()
    row = mx.select(mx.GMM(1, prior=None), X, [1], random_seed=1, progressbar=False).table.loc[1]
    heights = stats.multivariate_normal(X.mean(), np.cov(X.T, ddof=0)).logpdf(X)
    assert row["log_likelihood"] == pytest.approx(heights.sum(), rel=1e-10)
    assert row["bic"] == pytest.approx(-2 * heights.sum() + 14 * np.log(150), rel=1e-10)
    assert row["icl"] == pytest.approx(row["bic"], rel=1e-12)
