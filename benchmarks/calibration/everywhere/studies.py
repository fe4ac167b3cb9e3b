"""Every family, structure and sampler, with missing cells, weights, known labels and sparse clusters."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import mixtures as mx
from benchmarks.calibration.everywhere.drawing import Study
from benchmarks.calibration.everywhere.own_model import OwnModel

SAMPLERS = ("blackjax", "laplace", "split_hmc", "auto")


def _wishart(d: int) -> mx.priors.NormalInverseWishart:
    Psi = 3 * np.eye(d) + 0.5 * (np.ones((d, d)) - np.eye(d))
    return mx.priors.NormalInverseWishart(mean=np.arange(d) - 1.0, kappa=0.1, nu=d + 5.0, Psi=Psi)


def _gamma(d: int) -> mx.priors.NormalInverseGamma:
    return mx.priors.NormalInverseGamma(mean=np.arange(d) - 1.0, kappa=0.1, nu=6.0, psi=4.0)


def gmm(k: int, d: int, covariance_type: str, concentration: float = 2.0) -> mx.GMM:
    """A Gaussian mixture with a stated prior."""
    prior = _wishart(d) if covariance_type in ("full", "tied") else _gamma(d)
    return mx.GMM(k, covariance_type=covariance_type, prior=prior, weight_concentration=concentration)


def bmm(k: int, concentration: float = 2.0) -> mx.BMM:
    """A Bernoulli mixture with a stated prior."""
    return mx.BMM(k, prior=mx.priors.Beta(1.5, 1.0), weight_concentration=concentration)


def lca(k: int, concentration: float = 2.0) -> mx.LCA:
    """Latent classes of items of three levels, with a stated prior."""
    prior = mx.priors.Dirichlet(1.5)
    return mx.LCA(k, prior=prior, levels=[0, 1, 2], weight_concentration=concentration)


def pmm(k: int, concentration: float = 2.0) -> mx.PMM:
    """A Poisson mixture with a stated prior."""
    return mx.PMM(k, prior=mx.priors.Gamma(2.0, 0.5), weight_concentration=concentration)


def mixed(k: int, concentration: float = 2.0) -> mx.Mixed:
    """Two Gaussian columns, a binary one, one of three levels and a count."""
    prior = mx.priors.Blocks(
        gaussian=_wishart(2),
        bernoulli=mx.priors.Beta(1.5, 1.0),
        categorical=mx.priors.Dirichlet([[1.5, 1.5, 1.5]]),
        poisson=mx.priors.Gamma(2.0, 0.5),
    )
    columns = {"gaussian": [0, 1], "bernoulli": [2], "categorical": [3], "poisson": [4]}
    return mx.Mixed(k, **columns, levels=[[0, 1, 2]], prior=prior, weight_concentration=concentration)


def _gaussian() -> Iterator[Study]:
    for structure in ("full", "tied", "diag", "spherical", "tied_diag", "tied_spherical"):
        yield Study(f"{structure}, K=2, D=2", "gaussian", gmm(2, 2, structure), 2)
    for k, d in ((3, 1), (4, 2), (3, 4)):
        yield Study(f"full, K={k}, D={d}", "gaussian", gmm(k, d, "full"), d, n_rows=80)
    spherical, full = gmm(2, 2, "spherical"), gmm(2, 2, "full")
    for sampler in SAMPLERS[1:]:
        yield Study(f"spherical, K=2, D=2, {sampler}", "gaussian", spherical, 2, sampler=sampler)
        yield Study(f"full, K=2, D=2, {sampler}", "gaussian", full, 2, sampler=sampler)
    yield Study("full, K=2, D=2, 20% missing", "gaussian", full, 2, missing=0.2)
    yield Study("full, K=2, D=2, 10 rows labelled", "gaussian", full, 2, labelled=10)
    yield Study("diag, K=3, D=2, sparse weights", "gaussian", gmm(3, 2, "diag", 0.5), 2)


def _counted(page: str, spec: mx.BMM | mx.PMM | mx.LCA, d: int) -> Iterator[Study]:
    """What every family of discrete columns is asked."""
    k = spec.n_components
    for sampler in SAMPLERS:
        yield Study(f"K={k}, D={d}, {sampler}", page, spec, d, sampler=sampler)
    yield Study(f"K={k}, D={d}, 20% missing", page, spec, d, missing=0.2)
    yield Study(f"K={k}, D={d}, 10 rows labelled", page, spec, d, labelled=10)
    yield Study(f"K={k}, D={d}, sparse weights", page, replace(spec, weight_concentration=0.5), d)
    yield Study(f"K={k}, D=3, weights for equal rows", page, spec, 3, n_rows=60, counted=True)
    yield Study(f"K=4, D={d}", page, replace(spec, n_components=4), d, n_rows=80)


def _studies() -> Iterator[Study | OwnModel]:
    yield from _gaussian()
    yield from _counted("bernoulli", bmm(2), 6)
    yield from _counted("categorical", lca(2), 4)
    yield from _counted("poisson", pmm(2), 3)
    for sampler in SAMPLERS:
        yield Study(f"K=2, D=5, {sampler}", "mixed", mixed(2), 5, sampler=sampler)
    yield Study("K=2, D=5, 10 rows labelled", "mixed", mixed(2), 5, labelled=10)
    yield Study("K=3, D=5, sparse weights", "mixed", mixed(3, 0.5), 5, n_rows=80)
    yield OwnModel("pymc.Model: normal means, half-normal sds, K=2, D=1", "own_model")


STUDIES = tuple(_studies())
