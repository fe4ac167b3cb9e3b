"""Draws against exact posteriors: closed forms for one cluster, all allocations for two; and their tree."""

from itertools import product
from types import SimpleNamespace

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy.special import betaln, gammaln, multigammaln

import mixtures as mx
from mixtures import BMM, GMM, InputError, priors, resolve, sample, unalign
from mixtures.em.fit import fit_em
from mixtures.posterior import samplers
from mixtures.posterior.chains import Chains
from mixtures.posterior.nuts import Frame, Loop, stages_of
from mixtures.posterior.runs import Draws, run_chains
from mixtures.posterior.target import mixture_target

SHORT = {"draws": 60, "tune": 60, "chains": 2, "random_seed": 1, "progressbar": False}
LONG = {"draws": 1500, "tune": 500, "chains": 4, "random_seed": 1, "progressbar": False}
STANDARD_ERRORS = 5

COIN_ROWS = np.array([[1, 1], [1, 1], [1, 0], [0, 0], [0, 0], [0, 1], [1, 1]], dtype=float)
COINS = BMM(2, prior=priors.Beta(1.5, 2.0), weight_concentration=2.0)
LINE_ROWS = np.array([-1.3, -0.9, -1.6, 1.1, 1.4, 0.7])[:, None]
LINE = GMM(
    2, prior=priors.NormalInverseWishart(mean=0.2, kappa=0.5, nu=9.0, Psi=4.0), weight_concentration=3.0
)


def assert_expectations(draws, mean, sd=None):
    """Means, and sds, of draws (chain, draw, ...) are the exact ones within Monte Carlo standard errors."""
    tree = az.from_dict({"posterior": {"q": np.asarray(draws)}})
    found = {"mean": np.mean(draws, axis=(0, 1)), "sd": np.std(draws, axis=(0, 1))}
    for statistic, exact in {"mean": mean, "sd": sd}.items():
        if exact is not None:
            error = az.mcse(tree, method=statistic)["q"].values
            assert (error < 0.1 * found["sd"]).all()  # or the test could not fail
            z = (found[statistic] - exact) / error
            assert (np.abs(z) < STANDARD_ERRORS).all(), (statistic, found[statistic], exact, z)


def arrays(tree):
    return {name: v.values for name, v in tree["posterior"].data_vars.items()}


@pytest.fixture(scope="module")
def line_tree():
    return sample(LINE, LINE_ROWS, log_prior=True, **LONG)


@pytest.fixture(scope="module")
def coin_tree():
    return sample(COINS, COIN_ROWS, **LONG)


# One cluster: conjugate posteriors in closed form


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    return np.array([1.0, -2.0]) + rng.normal(size=(12, 2)) @ np.array([[1.0, 0.8], [0.0, 0.5]])


def test_one_gaussian_has_a_normal_inverse_wishart_posterior(cloud):
    prior = priors.NormalInverseWishart(mean=[0.5, 0.0], kappa=0.5, nu=6.0, Psi=[[2.0, 0.3], [0.3, 1.0]])
    post = arrays(sample(GMM(1, prior=prior), cloud, **LONG))
    n, d = cloud.shape
    mean = cloud.mean(axis=0)
    apart = mean - prior.mean
    kappa, nu = prior.kappa + n, prior.nu + n
    scatter = (cloud - mean).T @ (cloud - mean)
    Psi = prior.Psi + scatter + prior.kappa * n / kappa * np.outer(apart, apart)
    diagonal = np.outer(Psi.diagonal(), Psi.diagonal())
    variance = ((nu - d + 1) * Psi**2 + (nu - d - 1) * diagonal) / (
        (nu - d) * (nu - d - 1) ** 2 * (nu - d - 3)
    )
    lower = np.tril_indices(2)
    assert_expectations(
        post["Sigma"][:, :, 0][..., *lower], (Psi / (nu - d - 1))[lower], np.sqrt(variance)[lower]
    )
    location = (prior.kappa * np.array(prior.mean) + n * mean) / kappa
    assert_expectations(post["mu"][:, :, 0], location, np.sqrt(Psi.diagonal() / (kappa * (nu - d - 1))))
    assert (post["alpha"] == 1).all()


def test_one_gaussian_has_a_normal_inverse_gamma_posterior(cloud):
    prior = priors.NormalInverseGamma(mean=[0.5, 0.0], kappa=0.5, nu=6.0, psi=[2.0, 0.5])
    post = arrays(sample(GMM(1, covariance_type="diag", prior=prior), cloud, **LONG))
    n, mean = len(cloud), cloud.mean(axis=0)
    kappa = prior.kappa + n
    added = ((cloud - mean) ** 2).sum(axis=0) + prior.kappa * n / kappa * (mean - prior.mean) ** 2
    shape, scale = (prior.nu + n) / 2, (np.array(prior.psi) + added) / 2
    variance = scale / (shape - 1)
    assert_expectations(post["sigma2"][:, :, 0], variance, variance / np.sqrt(shape - 2))
    location = (prior.kappa * np.array(prior.mean) + n * mean) / kappa
    assert_expectations(post["mu"][:, :, 0], location, np.sqrt(variance / kappa))


def test_one_bernoulli_without_a_prior_has_a_beta_posterior():
    """Flat on p is Beta(1, 1), which is proper."""
    post = arrays(sample(BMM(1, prior=None), COIN_ROWS, **LONG))
    a, b = 1 + COIN_ROWS.sum(axis=0), 1 + (1 - COIN_ROWS).sum(axis=0)
    assert_expectations(post["p"][:, :, 0], a / (a + b), np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))))
    assert (post["alpha"] == 1).all()


# Two clusters: a sum over all allocations of the rows


def allocations(n):
    """Every way to put n rows into two clusters, as membership (2, n)."""
    for z in product([0, 1], repeat=n):
        z = np.array(z)
        yield np.stack([z == 0, z == 1])


def weights_and_expectations(X, concentration, log_marginal, expectations):
    """Exact expectations under the posterior: each allocation by its probability."""
    logs, values = [], []
    for member in allocations(len(X)):
        count = member.sum(axis=1)
        log_prior = gammaln(count + concentration).sum()
        logs.append(log_prior + sum(log_marginal(X[rows]) for rows in member))
        values.append(expectations(member, (count + concentration) / (len(X) + 2 * concentration)))
    weight = np.exp(np.array(logs) - max(logs))
    return np.tensordot(weight / weight.sum(), np.array(values), axes=1)


PATTERNS = np.array(list(product([0, 1], repeat=2)))


def pattern_probabilities(alpha, p):
    """Probability of every pattern (..., 4) at parameters alpha (..., 2) and p (..., 2, 2)."""
    flips = np.where(PATTERNS, p[..., None, :], 1 - p[..., None, :])
    return (alpha[..., None] * flips.prod(axis=-1)).sum(axis=-2)


def exact_pattern_probabilities(concentration, a, b):
    def log_marginal(rows):
        ones = rows.sum(axis=0)
        return (betaln(a + ones, b + len(rows) - ones) - betaln(a, b)).sum()

    def expectations(member, alpha):
        ones, count = member @ COIN_ROWS, member.sum(axis=1)
        return pattern_probabilities(alpha, (a + ones) / (a + b + count[:, None]))

    return weights_and_expectations(COIN_ROWS, concentration, log_marginal, expectations)


def test_a_bernoulli_mixture_against_all_allocations(coin_tree):
    post = arrays(coin_tree)
    assert_expectations(
        pattern_probabilities(post["alpha"], post["p"]), exact_pattern_probabilities(2.0, 1.5, 2.0)
    )


@pytest.mark.parametrize("concentration", [0.5, 0.9])
def test_concentrations_below_one_are_sampled(concentration):
    """They have no mode, so starts and pivot come from the nearest model that has one."""
    spec = BMM(2, prior=priors.Beta(0.8, 1.2), weight_concentration=concentration)
    post = arrays(sample(spec, COIN_ROWS, **LONG | {"target_accept": 0.9}))
    exact = exact_pattern_probabilities(concentration, 0.8, 1.2)
    assert_expectations(pattern_probabilities(post["alpha"], post["p"]), exact)


def test_a_gaussian_mixture_against_all_allocations(line_tree):
    prior = LINE.prior

    def updated(rows):
        n = len(rows)
        kappa, nu = prior.kappa + n, prior.nu + n
        mean = (prior.kappa * prior.mean + rows.sum()) / kappa
        Psi = prior.Psi + (rows**2).sum() + prior.kappa * prior.mean**2 - kappa * mean**2
        return mean, kappa, nu, Psi

    def log_marginal(rows):
        _, kappa, nu, Psi = updated(rows)
        return (
            multigammaln(nu / 2, 1) - nu / 2 * np.log(Psi) - np.log(kappa) / 2 - len(rows) / 2 * np.log(np.pi)
        )

    def expectations(member, alpha):
        mean, kappa, nu, Psi = np.array([updated(LINE_ROWS[rows]) for rows in member]).T
        variance = Psi / (nu - 2)
        return [alpha @ mean, alpha @ (mean**2 + variance / kappa + variance)]

    exact = weights_and_expectations(LINE_ROWS, 3.0, log_marginal, expectations)
    post = arrays(line_tree)
    alpha, mu, Sigma = post["alpha"], post["mu"][..., 0], post["Sigma"][..., 0, 0]
    moments = np.stack([(alpha * mu).sum(axis=-1), (alpha * (mu**2 + Sigma)).sum(axis=-1)], axis=-1)
    assert_expectations(moments, exact)


# The tree


def test_the_tree_has_groups_dims_and_coords(line_tree):
    assert list(line_tree.children) == [
        "posterior",
        "sample_stats",
        "log_likelihood",
        "log_prior",
        "observed_data",
    ]
    posterior = line_tree["posterior"]
    assert dict(posterior.sizes) == {"chain": 4, "draw": 1500, "cluster": 2, "feature": 1, "feature_bis": 1}
    for name, dims in LINE.dims.items():
        assert posterior[name].dims == ("chain", "draw", *dims)
    assert posterior["feature"].values.tolist() == ["x0"]
    stats = line_tree["sample_stats"]
    names = {"lp", "energy", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging"}
    assert set(stats.data_vars) == names | {"reached_max_treedepth", "log_posterior", "permutation"}
    assert all(v.dims[:2] == ("chain", "draw") for v in stats.data_vars.values())
    assert line_tree["log_likelihood"]["x"].dims == ("chain", "draw", "obs_id")
    np.testing.assert_array_equal(line_tree["observed_data"]["x"], LINE_ROWS)
    assert line_tree.attrs["sampler"] == "blackjax"
    assert line_tree.attrs["complete"] == 1
    assert 0.7 < float(stats["acceptance_rate"].mean()) < 0.97  # short warm-ups stay on the safe side of 0.8
    assert (stats["n_steps"] < 2 ** (stats["tree_depth"] + 1)).all()


def test_densities_in_the_tree_are_those_of_numpy(line_tree):
    spec = resolve(LINE, LINE_ROWS)
    post, stats = arrays(line_tree), line_tree["sample_stats"]
    for c, d in [(0, 0), (1, 700), (3, 1499)]:
        params = {name: x[c, d] for name, x in post.items()}
        rows = spec.log_likelihood(LINE_ROWS, params)
        np.testing.assert_allclose(line_tree["log_likelihood"]["x"][c, d], rows, rtol=1e-10)
        log_prior = spec.log_prior(params)
        total = sum(float(v[c, d].sum()) for v in line_tree["log_prior"].data_vars.values())
        assert total == pytest.approx(log_prior, rel=1e-10)
        assert float(stats["log_posterior"][c, d]) == pytest.approx(log_prior + rows.sum(), rel=1e-10)


def test_lp_is_the_density_of_the_unconstrained_coordinates(coin_tree):
    """Over logits of p and log ratios of alpha the Jacobians are p (1 - p) and, but for K, prod alpha."""
    post, stats = arrays(coin_tree), coin_tree["sample_stats"]
    jacobian = np.log(post["p"] * (1 - post["p"])).sum(axis=(2, 3)) + np.log(post["alpha"]).sum(axis=-1)
    difference = (stats["lp"] - stats["log_posterior"]).values - jacobian
    np.testing.assert_allclose(difference, difference[0, 0], atol=1e-9)


def test_labels_names_and_rows_of_a_frame_reach_the_tree():
    """A frame of the rows' own index and names; and nothing is stored that was not asked for."""
    frame = pd.DataFrame(COIN_ROWS, columns=["left", "right"], index=list("abcdefg"))
    tree = sample(COINS, frame, **SHORT)
    assert tree["posterior"]["feature"].values.tolist() == ["left", "right"]
    assert tree["log_likelihood"]["obs_id"].values.tolist() == list("abcdefg")
    assert "log_prior" not in tree.children
    without = sample(COINS, frame, log_likelihood=False, **SHORT)
    assert "log_likelihood" not in without.children
    assert without["posterior"].to_dataset().equals(tree["posterior"].to_dataset())


def test_the_seed_decides_every_draw():
    trees = [sample(COINS, COIN_ROWS, **SHORT | {"random_seed": seed}) for seed in (1, 1, 2)]
    rng = sample(COINS, COIN_ROWS, **SHORT | {"random_seed": np.random.default_rng(1)})
    first = trees[0]["posterior"].to_dataset()
    assert first.equals(trees[1]["posterior"].to_dataset())
    assert first.equals(rng["posterior"].to_dataset())
    for name in first.data_vars:
        assert not (first[name] == trees[2]["posterior"][name]).any()
        assert not (first[name][0] == first[name][1]).any()


def test_no_random_number_is_used_twice_and_nothing_adapts_after_warm_up():
    """From one state: another seed, chain or stretch of a chain goes another way."""
    compiled = mixture_target(COINS, COIN_ROWS).compiled
    loop, size = Loop(compiled, True, 0.8, 10), compiled.size  # the program of all other tests of these coins
    frame = Frame(np.zeros(size), np.eye(size), np.zeros(size))
    start, stages = loop.start(frame), stages_of(10, 20)
    found = [
        loop.run(start, stream, stages, frame) for stream in ((1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 200))
    ]
    assert len(np.unique([y for _, y, _ in found], axis=0)) == 4
    steps = found[0][2]["step_size"]
    assert len(np.unique(steps[:10])) == 10
    assert len(np.unique(steps[10:])) == 1


def test_statistics_stay_beside_their_draws_and_warm_up_is_left_out():
    x = np.arange(10.0)[:, None]
    parts = [(x[:3], {"lp": x[:3, 0]}), (x[3:], {"lp": x[3:, 0]})]
    drawn = run_chains([iter(parts), iter(parts)], 1, tune=4)
    np.testing.assert_array_equal(drawn.x[1, :, 0], np.arange(4.0, 10.0))
    np.testing.assert_array_equal(drawn.statistics["lp"], drawn.x[..., 0])


def test_every_chain_of_pymc_has_a_seed_of_its_own(monkeypatch):
    asked = []

    def sample_nothing(**options):
        asked.append(options["random_seed"])
        raise KeyboardInterrupt

    monkeypatch.setattr(pm, "sample", sample_nothing)
    compiled = SimpleNamespace(
        rv_shapes={"a": ()},
        constrain=lambda x: {"a": x},
        value_and_grad=lambda x: (0.0, x),
        built=SimpleNamespace(source=None),
    )
    with pytest.raises(KeyboardInterrupt):
        samplers.draw_by_pymc(
            compiled, [np.zeros(1)] * 3, np.random.default_rng(0), Chains(progressbar=False)
        )
    assert len(set(asked[0])) == 3


def test_trajectories_as_long_as_allowed_are_counted(monkeypatch):
    depth = np.array([[2, 3, 1]])
    monkeypatch.setattr(samplers, "compile_nuts", lambda *_: None)
    monkeypatch.setattr(samplers, "frames_at", lambda *_: [])
    monkeypatch.setattr(
        samplers, "run_nuts", lambda *_, **__: Draws(np.zeros((1, 3, 2)), {"tree_depth": depth})
    )
    compiled, how = SimpleNamespace(size=2), Chains(max_treedepth=3, progressbar=False)
    drawn = samplers.draw_by_blackjax(compiled, [np.zeros(2)], np.random.default_rng(0), how)
    assert drawn.statistics["reached_max_treedepth"].tolist() == [[False, True, False]]


def test_chains_start_with_labels_of_their_own():
    """Even from one start; clusters this far apart never change places, so chains keep the order they got."""
    apart = 20 * LINE_ROWS
    em = fit_em(LINE, apart, start=(apart > 0).ravel())
    tree = sample(LINE, apart, em=em, **SHORT | {"chains": 6})
    permutation = tree["sample_stats"]["permutation"].values
    assert (permutation == permutation[:, :1]).all()
    assert len(np.unique(permutation[:, 0], axis=0)) == 2
    aligned, raw = tree["posterior"]["mu"], unalign(tree)["posterior"]["mu"]
    assert (np.sign(aligned) == np.sign(em.params["mu"])).all()
    assert not (np.sign(raw) == np.sign(em.params["mu"])).all()


def test_a_second_model_of_the_same_shapes_compiles_nothing(compilations):
    sample(COINS, COIN_ROWS, **SHORT)
    before = len(compilations)
    other = BMM(2, prior=priors.Beta(3.0, 1.1), weight_concentration=1.3)
    tree = sample(other, 1 - COIN_ROWS, **SHORT | {"random_seed": 5})
    assert len(compilations) == before
    assert tree.attrs["complete"] == 1


def test_a_fit_at_hand_is_used(monkeypatch):
    em = fit_em(COINS, COIN_ROWS, n_init=3, random_seed=1)
    monkeypatch.setattr("mixtures.posterior.starts.fit_em", None)
    tree = sample(COINS, COIN_ROWS, em=em, **SHORT)
    pivot = {name: x[::-1] for name, x in em.params.items()}
    turned = sample(COINS, COIN_ROWS, em=em, pivot=pivot, **SHORT)
    np.testing.assert_array_equal(turned["posterior"]["p"], tree["posterior"]["p"][:, :, ::-1])


# Other samplers


def assert_unified(tree, sampler):
    stats = set(tree["sample_stats"].data_vars)
    names = {
        "lp",
        "energy",
        "acceptance_rate",
        "step_size",
        "tree_depth",
        "n_steps",
        "diverging",
        "log_posterior",
    }
    assert names | {"permutation"} <= stats
    assert not {"depth", "logp", "mean_tree_accept"} & stats
    assert tree.attrs["sampler"] == sampler
    assert list(tree.children) == ["posterior", "sample_stats", "log_likelihood", "observed_data"]


def test_nutpie_draws_the_same_posterior(coin_tree):
    pytest.importorskip("nutpie")
    tree = sample(COINS, COIN_ROWS, sampler="nutpie", **LONG | {"draws": 500, "chains": 2})
    assert_unified(tree, "nutpie")
    post = arrays(tree)
    assert_expectations(
        pattern_probabilities(post["alpha"], post["p"]), exact_pattern_probabilities(2.0, 1.5, 2.0)
    )
    offset = tree["sample_stats"]["lp"] - tree["sample_stats"]["log_posterior"]
    jacobian = np.log(post["p"] * (1 - post["p"])).sum(axis=(2, 3)) + np.log(post["alpha"]).sum(axis=-1)
    np.testing.assert_allclose((offset - jacobian).std(), 0, atol=1e-6)


def test_pymc_draws_the_same_posterior_in_processes():
    """Without a word: they are not forked, which JAX warns of."""
    tree = sample(
        COINS, COIN_ROWS, sampler="pymc", cores=2, **LONG | {"draws": 300, "tune": 200, "chains": 2}
    )
    assert_unified(tree, "pymc")
    assert tree.attrs["complete"] == 1
    post = arrays(tree)
    assert_expectations(
        pattern_probabilities(post["alpha"], post["p"]), exact_pattern_probabilities(2.0, 1.5, 2.0)
    )


# Models of the user's own


def users_model(concentration):
    with pm.Model(coords={"cluster": range(2), "side": ["left", "right"]}) as model:
        w = pm.Dirichlet("w", np.asarray(concentration, dtype=float), dims="cluster")
        heads = pm.Beta("heads", 1.5, 2.0, dims=("cluster", "side"))
        pm.Deterministic("odds", heads / (1 - heads), dims=("cluster", "side"))
        mx.BernoulliMixture("x", alpha=w, p=heads, observed=COIN_ROWS)
    return model


def test_a_model_of_the_users_own_is_aligned():
    tree = sample(users_model([2.0, 2.0]), **LONG)
    post = arrays(tree)
    assert_expectations(
        pattern_probabilities(post["w"], post["heads"]), exact_pattern_probabilities(2.0, 1.5, 2.0)
    )
    assert len(np.unique(tree["sample_stats"]["permutation"].values.reshape(-1, 2), axis=0)) == 2
    np.testing.assert_allclose(post["odds"], post["heads"] / (1 - post["heads"]))
    assert tree["posterior"]["heads"].dims == ("chain", "draw", "cluster", "side")
    assert tree["posterior"]["side"].values.tolist() == ["left", "right"]
    assert tree["log_likelihood"]["x"].shape == (4, 1500, 7)


def test_clusters_that_a_prior_tells_apart_keep_their_labels():
    tree = sample(users_model([2.0, 9.0]), **SHORT)
    assert "permutation" not in tree["sample_stats"]
    assert float(tree["posterior"]["w"].mean(("chain", "draw"))[1]) > 0.5


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"sampler": "gibbs"},
            "sampler 'gibbs' is not one of blackjax, nutpie, pymc, laplace, split_hmc, auto",
        ),
        ({"draws": 0}, "draws must be at least 1"),
        ({"chains": 0}, "chains must be at least 1"),
        ({"tune": -1}, "tune must be at least 0"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        sample(COINS, COIN_ROWS, **SHORT | options)


def test_what_cannot_be_sampled_is_refused():
    for spec in (GMM(2, prior=None), GMM(1, prior=None, covariance_type="diag")):
        with pytest.raises(InputError, match="improper"):
            sample(spec, LINE_ROWS)
    with pytest.raises(InputError, match="X is missing"):
        sample(COINS)
    with pytest.raises(InputError, match="brings its own data"):
        sample(users_model([1.0, 1.0]), COIN_ROWS)
    with pytest.raises(InputError, match="not 0 or 1"):
        sample(COINS, LINE_ROWS)


def test_a_fit_of_another_model_is_refused():
    em = fit_em(LINE, LINE_ROWS, n_init=1, random_seed=1)
    with pytest.raises(InputError, match="fit of another model"):
        sample(GMM(3), LINE_ROWS, em=em, **SHORT)


def test_pointwise_values_too_many_to_keep_are_left_out(monkeypatch):
    """A model's rows are counted in its data: their number is no part of the variable's type."""
    X = mx.datasets.faithful()
    quick = {"draws": 20, "tune": 20, "chains": 1, "random_seed": 0, "progressbar": False}
    monkeypatch.setattr("mixtures.posterior.drawing.KEEP_LOG_LIKELIHOOD", 272 * 20)
    assert "log_likelihood" not in sample(GMM(2), X, **quick)
    assert sample(GMM(2), X, log_likelihood=True, **quick)["log_likelihood"]["x"].shape == (1, 20, 272)
    monkeypatch.setattr("mixtures.posterior.drawing.KEEP_LOG_LIKELIHOOD", 272 * 20 + 1)
    assert "log_likelihood" in sample(GMM(2), X, **quick)
