"""What several test files share: every model there is, and data and parameters that suit it."""

import gc
import os
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from browser import chromium
from hypothesis import HealthCheck, settings

from mixtures.data.reading import as_data
from mixtures.errors import InputError
from mixtures.families.bernoulli import BMM
from mixtures.families.covariance import COVARIANCES
from mixtures.families.gaussian_model import GMM
from mixtures.families.latent_classes import LCA
from mixtures.families.mixed_model import Mixed
from mixtures.families.mixture import Mixture
from mixtures.families.poisson_model import PMM
from mixtures.families.registry import resolve

os.environ["MIXTURES_CACHE"] = "off"  # tests that are about the cache of programs have one of their own

os.environ["MIXTURES_GRAPHS_KEPT"] = "72"  # of some 18 models; read when the first is compiled

# A process that holds all tests and many compiled models has a large heap, and graphs are made of many small
# objects: with Python's own thresholds one twentieth of the tests' time goes into looking for garbage.
gc.set_threshold(50_000, 20, 100)

settings.register_profile("mixtures", deadline=None, derandomize=True, max_examples=25)
settings.register_profile("mutation", settings.get_profile("mixtures"), max_examples=5)
settings.register_profile(
    "thorough", deadline=None, max_examples=250, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("MIXTURES_HYPOTHESIS", "mixtures"))


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, the same for all tests; where there is none they are skipped and say so."""
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="session")
def compilations():
    """A list that grows by one with every program that XLA compiles, so that a test can count them."""
    import jax

    found = []

    def listen(event, duration, **_):
        if event.endswith("backend_compile_duration"):
            found.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    jax.jit(lambda x: x + len(found))(1.0)
    assert len(found) == 1  # so that a count can be seen to rise
    return found


@pytest.fixture(scope="module")
def no_c_compiler():
    """PyTensor runs graphs in Python; FAST_COMPILE alone compiles inner graphs in C, which takes minutes."""
    import pytensor

    with pytensor.config.change_flags(cxx=""):
        yield


def tries(n):
    """So many examples of a property in CI; ten times as many under ``--hypothesis-profile=thorough``."""
    return settings(max_examples=max(1, n * settings.default.max_examples // 25))


def subclasses(cls):
    for child in cls.__subclasses__():
        yield child
        yield from subclasses(child)


def all_specs(n_components=3, **keywords):
    """One specification of every family and covariance structure."""
    for cls in subclasses(Mixture):
        if "gaussian" in {field.name for field in fields(cls)}:
            continue  # its columns are of fixed kinds: see test_mixed.py, which checks the same laws
        spec = cls(n_components, **keywords)
        if "covariance_type" in {field.name for field in fields(cls)}:
            yield from (replace(spec, covariance_type=name) for name in COVARIANCES)
        elif "levels" in {field.name for field in fields(cls)}:
            yield replace(spec, levels=range(3))  # those of the rows made below
        else:
            yield spec


def spec_id(spec):
    return f"{type(spec).__name__} {getattr(spec, 'covariance_type', '')}".strip()


every_spec = pytest.mark.parametrize("spec", list(all_specs()), ids=spec_id)


def long(*values):
    """Values of a parameter that are tried under ``-m long``."""
    return [pytest.param(value, marks=pytest.mark.long) for value in values]


def specs_compiled(*names, n_components=3):
    """Models by their names, for tests that compile each of them; all the others under ``-m long``."""
    every = {spec_id(spec): spec for spec in all_specs(n_components)}
    marks = {name: () if name in names else pytest.mark.long for name in every}
    return pytest.mark.parametrize(
        "spec", [pytest.param(spec, marks=marks[name], id=name) for name, spec in every.items()]
    )


def in_turn(names, first, second, ids):
    """Pairs of two lists: each of the first with one of the second, in turn; the other pairs are ``long``."""
    pairs = [(i, j) for i in range(len(first)) for j in range(len(second))]
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(
                first[i],
                second[j],
                marks=() if j == i % len(second) else pytest.mark.long,
                id=f"{ids(first[i])}-{second[j]}",
            )
            for i, j in pairs
        ],
    )


def every_spec_in_turn(name, values):
    """Every model with one of the values, in turn; every model with every value under ``-m long``."""
    return in_turn(("spec", name), list(all_specs()), values, spec_id)


ORACLES = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("oracle_*.py"))]


def oracle(spec):
    """What an independent source says of the family: a module ``oracle_*.py`` each."""
    (found,) = [module for module in ORACLES if type(spec.family) is module.FAMILY]
    return found


def make_rows(spec, n_rows=150, n_features=2, seed=0, apart=3.0):
    """Rows (n, D) in K groups, of the first kind that the family takes, and their groups."""
    rng = np.random.default_rng(seed)
    z = np.arange(n_rows) % spec.n_components
    if isinstance(spec, Mixed):  # whatever n_features: its columns are its own
        return mixed_rows(spec, n_rows, seed, apart), z
    centre = apart * rng.normal(size=(spec.n_components, n_features))
    stretch = rng.normal(size=(spec.n_components, n_features, n_features)) / 2 + np.eye(n_features)
    noise = np.einsum("nde,ne->nd", stretch[z], rng.normal(size=(n_rows, n_features)))
    kinds = (
        centre[z] + noise,
        rng.poisson(np.exp(np.clip(centre / 2, -2, 2))[z]).astype(float),
        answers(centre[z], seed),
        (rng.random((n_rows, n_features)) < 1 / (1 + np.exp(-centre))[z]).astype(float),
        rng.exponential(np.exp(centre / 2)[z]),
    )
    for X in kinds:
        try:
            spec.check(as_data(X))
        except InputError:
            continue
        return X, z
    raise AssertionError(f"no kind of data here suits {spec_id(spec)}: add one")


ALONE = {"gaussian": GMM, "bernoulli": BMM, "categorical": partial(LCA, levels=range(3)), "poisson": PMM}
"""Model of every kind of block alone."""


def mixed_rows(spec, n_rows, seed, apart):
    """Rows (n, D) whose columns are of the kinds of the model's blocks, given by position."""
    X = np.empty((n_rows, len(spec.columns)))
    for kind, own in spec.unnamed.blocks.items():
        alone = ALONE[kind](spec.n_components)
        X[:, list(own)] = make_rows(alone, n_rows, len(own), seed + len(kind), apart)[0]
    return X


def answers(tendency, seed):
    """Codes 0, 1 and 2 that go with a tendency (n, D); one in ten is given at random."""
    rng = np.random.default_rng(seed)
    given = rng.binomial(2, 1 / (1 + np.exp(-tendency)))
    return np.where(rng.random(given.shape) < 0.1, rng.integers(0, 3, given.shape), given).astype(float)


def soft(z, n_components, seed=0, softness=0.3):
    """Responsibilities (K, n) that lean to the groups ``z`` without being sure."""
    r = softness * np.random.default_rng(seed).dirichlet(np.ones(n_components), size=len(z)).T
    r[z, np.arange(len(z))] += 1 - softness
    return r


def make_params(spec, n_features=2, seed=0, apart=3.0):
    """Parameters of a model: one M-step from groups of rows made for it."""
    X, z = make_rows(spec, 60 * spec.n_components, n_features, seed, apart)
    resolved = resolve(spec, X)
    return resolved.maximize(resolved.family.expect(None, X.T, soft(z, spec.n_components, seed)))


def simulate(spec, n_rows=300, n_features=2, seed=0, apart=3.0):
    """Parameters, and rows drawn from the model at them."""
    params = make_params(spec, n_features, seed, apart)
    X, z = spec.sample(params, n_rows, np.random.default_rng(seed + 1))
    return params, X, z
