"""Responsibilities beside the conditional distribution that pymc-extras gives a marginalised label."""

import numpy as np
import pymc as pm
import pytest

import mixtures as mx


@pytest.mark.long
def test_responsibilities_are_the_conditional_of_a_marginalised_label():
    marginal = pytest.importorskip("pymc_extras.model.marginal.conditional", reason="needs pymc-extras")
    from pymc_extras import marginalize

    x = mx.datasets.faithful()["waiting"].to_numpy(dtype=float)[:60]
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", [2.0, 3.0])
        mu = pm.Normal("mu", [55, 80], 5, shape=2)
        sigma = pm.Exponential("sigma", 0.1, shape=2)
        z = pm.Categorical("z", alpha, shape=len(x))
        pm.Normal("y", mu[z], sigma[z], observed=x)
    given = marginal.conditional(marginalize(model, ["z"]))
    log_probability = given.compile_logp(vars=[given["z"]], sum=False, jacobian=False)
    to_unconstrained = given.rvs_to_transforms[given["alpha"]].forward
    spec = mx.GMM(2, covariance_type="diag", prior=None)
    for mean in ([54.0, 80.0], [60.0, 75.0]):
        point = {
            "alpha": np.array([0.3, 0.7]),
            "mu": np.array(mean)[:, None],
            "sigma2": np.full((2, 1), 40.0),
        }
        own = mx.responsibilities(spec, x[:, None], point)["responsibilities"].values
        values = {
            "alpha_simplex__": to_unconstrained(point["alpha"]).eval(),
            "mu": np.array(mean),
            "sigma_log__": np.log(np.full(2, 40.0)) / 2,
        }
        for k in range(2):
            (theirs,) = log_probability(values | {"z": np.full(len(x), k)})
            np.testing.assert_allclose(own[:, k], np.exp(theirs), rtol=1e-10, atol=1e-14)
