"""Chains start in every mode that holds much of the posterior."""

import numpy as np
import pymc as pm

import mixtures as mx
from mixtures.em.fit import fit_em
from mixtures.posterior.starts import chain_starts
from mixtures.posterior.target import ModelTarget, mixture_target


def corners(height: float) -> np.ndarray:
    """Rows about the corners of a rectangle, which two clusters divide in two ways, nearly as well."""
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [0.0, height], [4.15, 0.0], [4.15, height]])
    return np.concatenate([rng.normal(0, 0.8, (20, 2)) + centre for centre in centres])


def divided_along(x: np.ndarray, target) -> int:
    return int(target.compiled.constrain(x)["sigma2"].mean(axis=0).argmin())


def test_chains_start_in_a_rival_mode_that_no_restart_of_em_found():
    X = corners(4.0)
    target = mixture_target(mx.GMM(2, covariance_type="diag"), X)
    em = fit_em(target.spec, X, random_seed=1)
    starts, _ = chain_starts(target, em, 4, np.random.default_rng(1))
    assert {divided_along(x, target) for x in starts} == {0, 1}


def test_chains_of_a_users_model_start_in_a_rival_mode_once_they_have_the_best():
    X = corners(4.1)
    with pm.Model() as model:
        alpha = pm.Dirichlet("alpha", np.ones(2))
        mu = pm.Normal("mu", 2, 5, shape=(2, 2))
        sigma2 = pm.InverseGamma("sigma2", 2, 2, shape=(2, 2))
        mx.GaussianMixture("x", alpha=alpha, mu=mu, sigma2=sigma2, observed=X)
    target = ModelTarget(model)
    starts, _ = chain_starts(target, None, 4, np.random.default_rng(1))
    along = [divided_along(x, target) for x in starts]
    assert len(set(along)) == 2, along
    assert along[0] == along[2]
