"""A posterior that Stan's benchmarks publish: `low_dim_gauss_mix` of posteriordb, from a million draws.

Its 1,000 rows, here to two decimals, and its moments are those of
https://github.com/stan-dev/stat_comp_benchmarks (BSD-3-Clause).
"""

from pathlib import Path

import numpy as np
import pymc as pm
import pytest

import mixtures as mx

MEANS = {"mu": [-2.7331, 2.8698], "sigma": [1.0287, 1.0234], "alpha": [0.6214, 0.3786]}
SDS = {"mu": [0.042029, 0.054133], "sigma": [0.031371, 0.040492], "alpha": [0.015368, 0.015368]}


def exchangeable():
    """The model without its order of the means: it has a twin of every mode, which alignment folds away."""
    y = np.array((Path(__file__).parent / "low_dim_gauss_mix.txt").read_text().split(), dtype=float)
    with pm.Model(coords={"cluster": range(2)}) as model:
        alpha = pm.Dirichlet("alpha", [5.0, 5.0], dims="cluster")
        mu = pm.Normal("mu", 0, 2, dims="cluster")
        sigma = pm.HalfNormal("sigma", 2, dims="cluster")
        mx.GaussianMixture("y", alpha, mu[:, None], sigma2=sigma[:, None] ** 2, observed=y[:, None])
    return model


@pytest.mark.long
def test_the_posterior_of_low_dim_gauss_mix():
    tree = mx.sample(exchangeable(), random_seed=1, progressbar=False)
    order = np.argsort(tree["posterior"]["mu"].mean(["chain", "draw"]).values)
    for name, means in MEANS.items():
        draws = tree["posterior"][name].values.reshape(-1, 2)[:, order]
        np.testing.assert_allclose((draws.mean(axis=0) - means) / SDS[name], 0, atol=0.1, err_msg=name)
        np.testing.assert_allclose(draws.std(axis=0) / SDS[name], 1, atol=0.06, err_msg=name)
