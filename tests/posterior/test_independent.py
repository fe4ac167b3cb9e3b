"""Independent draws: against exact posteriors, NUTS, and cases that they must refuse."""

from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import long
from scipy.special import gammaln, logsumexp
from scipy.stats import kstest
from scipy.stats import multivariate_t as scipy_t

import mixtures as mx
from mixtures.posterior.folding import Region
from mixtures.posterior.importance import acceptance, independence_chains, masses, pareto_k
from mixtures.posterior.independent import _evidence, _judge, independent_draws, modes_of
from mixtures.posterior.peaks import Peak, find_peaks
from mixtures.posterior.proposal import HEAVY_DF, HEAVY_SHARE, Proposal
from mixtures.posterior.target import mixture_target
from mixtures.posterior.weighing import Weighed, tune
from mixtures.tolerances import TOLERANCES
from tests import exact_evidence

SHORT = {"draws": 250, "chains": 2, "random_seed": 1, "progressbar": False}
STANDARD_ERRORS = 5

# Ten rows that split by their first three columns or by their last three
CROSSED = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [3, 2, 3, 2], axis=0).repeat(3, axis=1).astype(float)
CROSSED[3, 5] = 1  # so that the second way is less clear
TWO_MODES = mx.BMM(2, prior=mx.priors.Beta(3.0, 3.0), weight_concentration=5.0)
# Clusters that the data hardly tell apart: most proposals of a mode have other labels
COIN_ROWS = np.random.default_rng(3).integers(2, size=(9, 4)).astype(float)
THREE_COINS = mx.BMM(3, prior=mx.priors.Beta(4.0, 4.0), weight_concentration=6.0)
LINE_ROWS = np.array([-1.9, -0.9, -1.6, -0.2, 0.3, 1.4, 0.7, 1.8])[:, None]
THREE_ON_A_LINE = mx.GMM(
    3, prior=mx.priors.NormalInverseWishart(mean=0.0, kappa=1.0, nu=9.0, Psi=4.0), weight_concentration=5.0
)


def tuned(spec, X, weights=None):
    em = mx.fit_em(spec, X, weights=weights, random_seed=1)
    target = mixture_target(spec, X, weights)
    peaks = find_peaks(target.compiled, em, target.data, np.random.default_rng(0))
    scale = em.spec.family.units(target.data)[1]
    return tune(target.compiled, em.spec, scale, peaks, np.random.default_rng(0))


def exact_draws(X, spec, n, rng):
    """Draws of a BMM's posterior: allocations by their exact probabilities, then parameters given those."""
    members = np.array(list(product([0, 1], repeat=len(X))))
    prior, a = spec.prior, spec.weight_concentration
    logs, counts = np.zeros(len(members)), []
    for j in range(2):
        here = members == j
        size, ones = here.sum(axis=1), here @ X
        counts.append((size, ones))
        logs += gammaln(a + size)
        first, second = prior.alpha + ones, prior.beta + size[:, None] - ones
        logs += (gammaln(first) + gammaln(second) - gammaln(first + second)).sum(axis=1)
    z = rng.choice(len(members), size=n, p=np.exp(logs - logsumexp(logs)))
    p = [rng.beta(prior.alpha + ones[z], prior.beta + size[z, None] - ones[z]) for size, ones in counts]
    alpha = rng.beta(a + counts[0][0][z], a + counts[1][0][z])
    return {"alpha": np.stack([alpha, 1 - alpha], axis=1), "p": np.stack(p, axis=1)}


def split_by_first(p):
    """Whether clusters (..., 2, 6) differ more in the first three columns than in the last three."""
    apart = np.abs(np.diff(p, axis=-2)[..., 0, :])
    return apart[..., :3].sum(axis=-1) > apart[..., 3:].sum(axis=-1)


@pytest.fixture(scope="module")
def bimodal():
    return mx.sample(
        TWO_MODES, CROSSED, sampler="laplace", draws=1000, chains=4, random_seed=2, progressbar=False
    )


@pytest.fixture(scope="module")
def exact():
    return exact_draws(CROSSED, TWO_MODES, 400_000, np.random.default_rng(0))


def test_every_mode_has_its_exact_mass(bimodal, exact):
    """Exact draws belong to modes by the same rule as proposals do: to the likeliest component."""
    found = tuned(TWO_MODES, CROSSED)
    made = Weighed.of(found.region, found.proposal, found.proposal.draw(8000, np.random.default_rng(1)))
    (mass, _), (error, _) = masses(made.log_weights, made.mode, 2)
    some = {name: values[None, :20_000] for name, values in exact.items()}
    x = found.region.density.unconstrain_draws(some)[0]
    components = found.region.fold(found.proposal, x).log_components(found.proposal)
    truth = (found.proposal.shares(components).argmax(axis=1) == 0).mean()
    assert 0.03 < abs(truth - 0.5) < 0.4  # the modes are not alike, or the test could not tell them apart
    assert error < 0.02
    assert abs(mass - truth) < STANDARD_ERRORS * np.hypot(error, 0.5 / np.sqrt(20_000))
    modes = bimodal["modes"].to_dataset()
    shares = [(bimodal["sample_stats"]["mode"].values == i).mean() for i in range(2)]
    np.testing.assert_allclose(modes["mass"], shares, atol=0.06)
    by_split = dict(zip(split_by_first(modes["p"].values).tolist(), modes["mass"].values, strict=True))
    assert set(by_split) == {True, False}
    assert (by_split[True] > 0.5) == (split_by_first(exact["p"]).mean() > 0.5)
    assert modes["mass"].values.sum() == pytest.approx(1)


def test_draws_of_two_modes_have_the_exact_distribution(bimodal, exact):
    """Label-free quantities, thinned so that draws are independent."""
    drawn = {name: v.values[:, ::10].reshape(-1, *v.shape[2:]) for name, v in bimodal["posterior"].items()}
    assert split_by_first(drawn["p"]).std() > 0.2
    for quantity in (
        lambda d: d["alpha"].max(axis=1),
        lambda d: np.abs(np.diff(d["p"], axis=1)[:, 0, 0]),
        lambda d: np.abs(np.diff(d["p"], axis=1)[:, 0, 5]),
        lambda d: (d["alpha"][..., None] * d["p"]).sum(axis=1)[:, 4],
    ):
        reference = np.sort(quantity(exact))
        ranks = np.searchsorted(reference, quantity(drawn)) / len(reference)
        assert kstest(ranks, "uniform").pvalue > 1e-3


def test_chains_move_between_the_modes(bimodal):
    mode = bimodal["sample_stats"]["mode"].values
    assert (np.diff(mode, axis=1) != 0).mean() > 0.05
    verdict = mx.diagnose(bimodal, spec=TWO_MODES, X=CROSSED).to_frame()
    assert verdict.loc["R-hat of label-invariant quantities", "passed"]
    note = verdict.loc["posterior mass of the largest mode", "note"]
    assert "2 modes" in note
    assert f"{bimodal['modes']['mass'].values[0]:.3f}" in note


@pytest.mark.parametrize(
    ("spec", "X", "cluster"),
    [
        (TWO_MODES, CROSSED, exact_evidence.bernoulli),
        (THREE_COINS, COIN_ROWS, exact_evidence.bernoulli),
        (THREE_ON_A_LINE, LINE_ROWS, exact_evidence.gaussian),
    ],
    ids=["two modes", "clusters alike", "clusters on a line"],
)
def test_weights_average_to_the_exact_evidence(spec, X, cluster):
    """Also where proposals must be relabelled: a fold that is wrong is wrong by a factor."""
    found = tuned(spec, X)
    made = Weighed.of(found.region, found.proposal, found.proposal.draw(8000, np.random.default_rng(1)))
    weights = np.exp(made.log_weights - made.log_weights.max())
    estimate = np.log(weights.mean()) + made.log_weights.max() + gammaln(spec.n_components + 1)
    error = weights.std() / weights.mean() / np.sqrt(len(weights))
    prior = mx.resolve(spec, X).prior
    exact = exact_evidence.mixture(X, prior, spec.n_components, spec.weight_concentration, cluster)
    assert error < 0.05
    assert abs(estimate - exact) < STANDARD_ERRORS * error
    if spec is not TWO_MODES:
        assert len(found.region.labellings) > 2
        assert (made.x != found.proposal.draw(8000, np.random.default_rng(1))).any(axis=1).mean() > 0.1


def test_without_relabelling_the_region_is_still_exact():
    """Proposals with other labels then count nothing, and the rest is right: it only costs acceptance."""
    found = tuned(THREE_COINS, COIN_ROWS)
    strict = Region.identity(found.region.density, found.region.spec, found.region.scale)
    x = found.proposal.draw(8000, np.random.default_rng(1))
    logs = [Weighed.of(region, found.proposal, x).log_weights for region in (strict, found.region)]
    assert np.isneginf(logs[0]).mean() > 0.1 > np.isneginf(logs[1]).mean()
    evidence = [logsumexp(each) for each in logs]
    assert evidence[0] == pytest.approx(evidence[1], abs=0.2)
    assert acceptance(logs[0]) < acceptance(logs[1])
    fixed, params = replace(strict, anchored=(1,)), strict.constrain(x)[0]
    assert (fixed.orders(found.proposal, params)[:, 1] == 1).all()
    assert (strict.orders(found.proposal, params)[:, 1] != 1).any()


@pytest.mark.parametrize("turn", [[1, 2, 0], [2, 0, 1]])
def test_an_image_is_the_proposal_that_was_relabelled(turn):
    """The set of relabellings need not have the way back, and then an order is not its inverse."""
    found = tuned(THREE_ON_A_LINE, LINE_ROWS)
    x = found.proposal.draw(1000, np.random.default_rng(1))
    folded = replace(found.region, labellings=np.array([[0, 1, 2], turn])).fold(found.proposal, x)
    moved = (folded.x != x).any(axis=1)
    own = found.proposal.distances(x[moved])
    np.testing.assert_allclose(folded.squared[moved, 1], own, rtol=1e-6)
    assert (np.abs(folded.squared[moved, 0] - own) > 0.1 * own).any()
    np.testing.assert_allclose(folded.log_volume, 0, atol=1e-9)  # Jacobians do not depend on the labels


@pytest.mark.parametrize(
    "spec",
    [
        mx.GMM(2),
        *long(*(mx.GMM(2, covariance_type=x) for x in ("tied", "diag", "spherical"))),
    ],
    ids=lambda spec: spec.covariance_type,
)
def test_draws_agree_with_nuts(spec):
    X = np.asarray(mx.datasets.faithful())
    how = {"random_seed": 1, "progressbar": False, "log_likelihood": False}
    ours = mx.sample(spec, X, sampler="laplace", **how)
    theirs = mx.sample(spec, X, **how)
    assert ours.attrs["sampler"] == "laplace"
    assert ours.attrs["pareto_k"] < TOLERANCES.proposal_pareto_k
    assert ours.attrs["acceptance"] > 0.5
    for name, values in theirs["posterior"].data_vars.items():
        mean, sd = (getattr(values, f)(("chain", "draw")).values for f in ("mean", "std"))
        own = ours["posterior"][name]
        assert (np.abs(own.mean(("chain", "draw")).values - mean) < 0.1 * sd).all()
        assert (np.abs(own.std(("chain", "draw")).values / sd - 1) < 0.1).all()
    assert mx.diagnose(ours, spec=spec, X=X).passed


@pytest.mark.long
def test_weights_count_as_repeated_rows():
    X = np.asarray(mx.datasets.faithful())[::3]
    spec = mx.resolve(mx.GMM(2, covariance_type="spherical"), X)
    weighted = mx.sample(spec, X, weights=np.full(len(X), 3.0), sampler="laplace", **SHORT)
    repeated = mx.sample(spec, np.repeat(X, 3, axis=0), sampler="laplace", **SHORT)
    assert weighted.attrs["log_evidence"] == pytest.approx(
        repeated.attrs["log_evidence"],
        abs=STANDARD_ERRORS * np.hypot(weighted.attrs["log_evidence_se"], repeated.attrs["log_evidence_se"]),
    )


def test_the_tree_says_what_was_done():
    X = np.asarray(mx.datasets.faithful())
    tree = mx.sample(mx.GMM(2), X, sampler="laplace", **SHORT)
    again = mx.sample(mx.GMM(2), X, sampler="laplace", **SHORT)
    assert set(tree["sample_stats"].data_vars) == {
        "lp",
        "log_posterior",
        "acceptance_rate",
        "log_weight",
        "mode",
        "permutation",
    }
    assert tree["sample_stats"]["lp"].shape == (2, 250)
    assert tree.attrs["n_proposals"] >= 2 * 250
    assert 0 < tree.attrs["acceptance"] <= 1
    assert tree["modes"]["mu"].dims == ("mode", "cluster", "feature")
    for name, values in tree["posterior"].data_vars.items():
        np.testing.assert_array_equal(values, again["posterior"][name])
    names = mx.diagnose(tree, spec=mx.GMM(2), X=X).to_frame().index
    assert {"Pareto k-hat of proposals", "acceptance of proposals"} <= set(names)
    assert "divergences" not in names
    assert "mode" in mx.unalign(tree)["modes"].dims


# What the proposals cannot cover

HARD = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 1]], dtype=float)
SPARSE = mx.BMM(2, prior=mx.priors.Beta(0.3, 0.3), weight_concentration=0.5)


@pytest.fixture
def strict(monkeypatch):
    """Limits that no proposal meets."""
    monkeypatch.setattr(
        "mixtures.posterior.independent.TOLERANCES", replace(TOLERANCES, proposal_pareto_k=-5.0)
    )


def test_a_posterior_far_from_normal_is_refused_by_name():
    with pytest.raises(mx.NoApproximation, match=r"a cluster may have no rows: up to 0.* above 0.1"):
        mx.sample(SPARSE, HARD, sampler="laplace", **SHORT)


def test_auto_falls_back_on_nuts_and_says_why(strict):
    tree = mx.sample(TWO_MODES, CROSSED, sampler="auto", tune=100, **SHORT)
    assert tree.attrs["sampler"] == "blackjax"
    assert tree.attrs["sampler_note"].startswith("NUTS, not independent draws: ")
    assert "Pareto k-hat" in tree.attrs["sampler_note"]
    assert "diverging" in tree["sample_stats"]
    assert "modes" not in tree.children


def test_a_crosscheck_goes_on_without_the_sample(strict):
    cc = mx.crosscheck(TWO_MODES, CROSSED, sampler="laplace", n_init=2, **SHORT)
    assert cc.posterior is None
    assert any("was not sampled" in note for note in cc.notes)


def test_a_model_of_the_users_own_is_for_nuts():
    model = mx.declare(TWO_MODES, CROSSED)
    with pytest.raises(mx.InputError, match="NUTS"):
        mx.sample(model, sampler="laplace", **SHORT)
    with pytest.raises(mx.InputError, match="NUTS"):
        mx.crosscheck(model, sampler="laplace", **SHORT)


def test_an_interrupt_keeps_the_draws_made(monkeypatch):
    of, calls = Weighed.of, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return of(*args)

    monkeypatch.setattr(Weighed, "of", interrupted)
    tree = mx.sample(mx.GMM(2), mx.datasets.faithful(), sampler="laplace", **SHORT | {"draws": 5000})
    assert tree.attrs["status"] == "interrupted"
    assert not tree.attrs["complete"]
    assert 100 < tree["posterior"].sizes["draw"] < 5000


# The parts


def test_a_proposal_is_a_mixture_of_t_distributions():
    rng = np.random.default_rng(0)
    peaks = tuple(Peak(rng.normal(size=3), rng.normal(size=(3, 3)), 0.0, {}) for _ in range(2))
    proposal = Proposal(peaks, np.array([0.3, 0.7]), 7.0)
    x = rng.normal(size=(5, 3))
    expected = [
        sum(
            share * scipy_t(peak.x, peak.widths @ peak.widths.T, df=df).pdf(x)
            for share, df in ((HEAVY_SHARE, HEAVY_DF), (1 - HEAVY_SHARE, 7.0))
        )
        for peak in peaks
    ]
    found = proposal.log_density(proposal.log_components(proposal.distances(x)))
    np.testing.assert_allclose(np.exp(found), 0.3 * expected[0] + 0.7 * expected[1])
    shares = proposal.shares(proposal.log_components(proposal.distances(x)))
    np.testing.assert_allclose(shares[:, 0], 0.3 * expected[0] / np.exp(found))
    drawn = proposal.draw(40_000, rng)
    mean = 0.3 * peaks[0].x + 0.7 * peaks[1].x
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * drawn.std(axis=0) / 200).all()


def test_an_independence_chain_has_the_distribution_of_the_weights():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 4))
    log_weights = x - 0.5  # from N(0, 1) to N(1, 1)
    states, accepted, probability = independence_chains(np.zeros(4), log_weights, np.log(rng.random(x.shape)))
    values = np.take_along_axis(x, np.maximum(states, 0), axis=0)[100:]
    assert abs(values.mean() - 1) < 0.05
    assert abs(values.std() - 1) < 0.05
    assert accepted.mean() == pytest.approx(probability.mean(), abs=0.01)
    assert accepted.mean() == pytest.approx(acceptance(log_weights.ravel()), abs=0.02)


def test_masses_have_their_standard_errors():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        mode = rng.integers(2, size=500)
        found.append(masses(np.log(np.where(mode == 0, 0.6, 1.4) * rng.gamma(1, size=500)), mode, 2))
    mass, error = (np.array(each)[:, 0] for each in zip(*found, strict=True))
    assert mass.mean() == pytest.approx(0.3, abs=0.01)
    assert mass.std() == pytest.approx(error.mean(), rel=0.15)


def test_pareto_k_is_that_of_the_tail():
    u = np.random.default_rng(0).random(20_000)
    for k in (0.2, 0.8):
        assert pareto_k(-k * np.log(u)) == pytest.approx(k, abs=0.1)
    for few in (0, 1, 9):  # of a thousand that count at all: no tail can be fitted
        assert pareto_k(np.append(np.linspace(0, 1, few), np.full(1000 - few, -np.inf))) == np.inf
    assert pareto_k(np.append(np.zeros(999), 800.0)) == np.inf  # one that outweighs the others
    assert pareto_k(np.zeros(1000)) == -np.inf


def test_proposals_are_refused_by_their_weights_and_by_what_is_accepted():
    made = SimpleNamespace(log_density=np.zeros(10))
    _judge(0.45, 0.25, made)
    for k, share, words in ((0.55, 0.9, "k-hat .* is 0.55, above 0.5"), (0.1, 0.15, "15% of the proposals")):
        with pytest.raises(mx.NoApproximation, match=words):
            _judge(k, share, made)


def test_the_evidence_counts_the_clusters_that_can_be_exchanged():
    weights = np.array([1.0, 2.0, 3.0, 6.0])
    log_evidence, error = _evidence(np.log(weights) - 700, 3)
    assert log_evidence == pytest.approx(np.log(3.0) - 700 + np.log(6))
    assert error == pytest.approx(weights.std() / 3 / 2)


def test_the_modes_in_the_tree_have_the_labels_of_the_sample():
    params = {"alpha": np.array([0.2, 0.8]), "p": np.array([[0.1], [0.9]])}
    pivot = {name: x[::-1] for name, x in params.items()}
    made = SimpleNamespace(peaks=[Peak(np.zeros(3), np.eye(3), 0.0, params)], mass=[1.0], mass_se=[0.0])
    coords = {"cluster": [0, 1], "feature": ["f"]}
    for anchored, expected in (((), pivot), ((0,), params)):
        found = modes_of(made, mx.BMM(2), pivot, coords, anchored)
        np.testing.assert_array_equal(found["p"].values[0], expected["p"])


def test_modes_are_found_once_each():
    em = mx.fit_em(TWO_MODES, CROSSED, random_seed=1)
    target = mixture_target(TWO_MODES, CROSSED)
    compiled = target.compiled
    peaks = find_peaks(compiled, em, target.data, np.random.default_rng(0))
    assert len(peaks) == 2
    for peak in peaks:
        assert np.abs(compiled.value_and_grad(peak.x, jacobian=True)[1] @ peak.widths).max() < 0.02
    assert peaks[0].log_evidence > peaks[1].log_evidence


def test_draws_are_refused_above_a_number_of_coordinates(monkeypatch):
    monkeypatch.setattr("mixtures.posterior.peaks.MOST_COORDINATES", 5)
    with pytest.raises(mx.NoApproximation, match="13 unconstrained coordinates"):
        mx.sample(TWO_MODES, CROSSED, sampler="laplace", **SHORT)


def test_the_draws_of_an_independent_sample_are_in_one_labelling():
    em = mx.fit_em(TWO_MODES, CROSSED, random_seed=1)
    target = mixture_target(TWO_MODES, CROSSED)
    from mixtures.posterior.chains import Chains

    how = Chains(draws=100, chains=3, sampler="laplace", progressbar=False)
    rng = np.random.default_rng(0)
    peaks = find_peaks(target.compiled, em, target.data, rng)
    made = independent_draws(target.compiled, em, target.data, peaks, how, rng)
    assert made.draws.x.shape == (3, 100, 13)
    assert made.draws.statistics["mode"].shape == (3, 100)
