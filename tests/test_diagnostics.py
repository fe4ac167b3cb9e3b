"""Verdicts on draws made up to be good or bad in one way each; figures against ArviZ's."""

import arviz as az
import numpy as np
import pytest

from mixtures import GMM, InputError, align, diagnose
from mixtures.mixing import summarise
from mixtures.tolerances import TOLERANCES
from mixtures.trees import make_tree

CHAINS, DRAWS, ROWS = 4, 1000, 12
PIVOT = {"alpha": np.array([0.4, 0.6]), "mu": np.array([[0.0], [8.0]]), "sigma2": np.array([[1.0], [2.0]])}
DIMS = GMM(2, covariance_type="diag").dims
LABELLED = ("R-hat of parameters, labels aligned", "ESS of parameters, labels aligned")
INVARIANT = ("R-hat of label-invariant quantities", "ESS of label-invariant quantities")


def good(seed=0):
    """Independent draws: arrays by group and name, as a sampler would leave them."""
    rng = np.random.default_rng(seed)
    posterior = {name: x + 0.01 * rng.normal(size=(CHAINS, DRAWS, *x.shape)) for name, x in PIVOT.items()}
    stats = {name: rng.normal(size=(CHAINS, DRAWS)) for name in ("lp", "energy")}
    for name in ("diverging", "reached_max_treedepth"):
        stats[name] = np.zeros((CHAINS, DRAWS), dtype=bool)
    rows = rng.normal(size=ROWS) + 0.1 * rng.normal(size=(CHAINS, DRAWS, ROWS))
    return {"posterior": posterior, "sample_stats": stats, "log_likelihood": {"x": rows}}


def tree_of(groups):
    return make_tree(groups, {**DIMS, "x": ("obs_id",)}, {"cluster": range(2), "feature": ["f"]})


def lines(groups):
    return {check.name: check for check in diagnose(tree_of(groups)).checks}


def failed(groups):
    return {name for name, check in lines(groups).items() if not check.passed}


def random_walk(size, seed=0):
    return np.random.default_rng(seed).normal(size=size).cumsum(axis=1)


def test_independent_draws_pass():
    groups = good()
    verdict = diagnose(tree_of(groups))
    assert verdict.passed
    assert str(verdict) == "converged"
    assert [check.name for check in verdict.checks] == [
        *LABELLED,
        *INVARIANT,
        "divergences",
        "E-BFMI",
        "saturated trajectories",
    ]
    assert all(check.note == "" for check in verdict.checks)
    worst = max(float(x.max()) for x in az.rhat(tree_of(groups)).data_vars.values())
    assert lines(groups)[LABELLED[0]].figure == pytest.approx(worst)
    tree = tree_of(groups)
    sizes = az.ess(tree, method="bulk"), az.ess(tree, method="tail", prob=(0.05, 0.95))
    fewest = min(float(x.min()) for size in sizes for x in size.data_vars.values())
    assert lines(groups)[LABELLED[1]].figure == pytest.approx(fewest)
    assert lines(groups)[LABELLED[1]].tolerance == TOLERANCES.ess_per_chain * CHAINS


def test_a_chain_elsewhere_fails():
    groups = good()
    groups["posterior"]["mu"][2, :, 1] += 0.05
    verdict = diagnose(tree_of(groups))
    assert not verdict.passed
    assert LABELLED[0] in failed(groups)
    assert not set(INVARIANT) & failed(groups)
    assert str(verdict).startswith("not to be trusted: R-hat of parameters")
    assert "draw more" in str(verdict)

    groups = good()
    groups["log_likelihood"]["x"][1] += 1.0
    assert INVARIANT[0] in failed(groups)
    assert not set(LABELLED) & failed(groups)


def test_a_single_row_elsewhere_fails():
    """The row whose density stands out most is among the probes, though the sum hardly moves."""
    groups = good()
    highest = groups["log_likelihood"]["x"].mean(axis=(0, 1)).argmax()
    groups["log_likelihood"]["x"][0, :, highest] += 0.2
    assert INVARIANT[0] in failed(groups)


def test_swapped_labels_fail_until_they_are_aligned():
    groups = good()
    for x in groups["posterior"].values():
        x[1] = x[1, :, ::-1].copy()
    assert set(LABELLED) <= failed(groups)
    assert not set(INVARIANT) & failed(groups)
    assert diagnose(align(tree_of(groups), to=PIVOT)).passed


@pytest.mark.parametrize(
    ("statistic", "line"),
    [("diverging", "divergences"), ("reached_max_treedepth", "saturated trajectories")],
)
def test_draws_that_went_wrong_are_counted(statistic, line):
    groups = good()
    groups["sample_stats"][statistic][2, 5:8] = True
    assert failed(groups) == {line}
    assert lines(groups)[line].figure == 3
    assert "raise" in lines(groups)[line].note


def test_energies_that_hardly_move_fail():
    groups = good()
    energy = groups["sample_stats"]["energy"] = random_walk((CHAINS, DRAWS))
    assert failed(groups) == {"E-BFMI"}
    by_hand = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1)
    assert lines(groups)["E-BFMI"].figure == pytest.approx(by_hand.min(), rel=0.01)


def test_slow_chains_have_too_few_effective_draws():
    groups = good()
    groups["sample_stats"]["lp"] = random_walk((CHAINS, DRAWS))
    assert set(INVARIANT) <= failed(groups)
    assert not set(LABELLED) & failed(groups)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", [("posterior", "mu"), ("sample_stats", "lp"), ("log_likelihood", "x")])
@pytest.mark.parametrize("which", [(0, 3), (slice(None), slice(None)), (1,)], ids=["one", "all", "a chain"])
def test_what_is_not_finite_never_passes(where, which, value):
    groups = good()
    group, name = where
    groups[group][name][which] = value
    expected = LABELLED if group == "posterior" else INVARIANT
    with np.errstate(invalid="ignore"):
        assert set(expected) <= failed(groups)
        assert not set(LABELLED + INVARIANT) - set(expected) & failed(groups)


def test_energy_that_is_not_finite_fails():
    groups = good()
    groups["sample_stats"]["energy"][0, 3] = np.nan
    assert failed(groups) == {"E-BFMI"}


def test_constants_are_no_failure():
    groups = good()
    groups["posterior"]["alpha"][...] = PIVOT["alpha"]
    groups["posterior"]["sigma2"][..., 1, :] = 1.0
    assert not failed(groups)
    for x in groups["posterior"].values():
        x[...] = x[0, 0]
    assert not failed(groups)
    assert not set(LABELLED) & set(lines(groups))


def test_a_chain_that_never_moves_fails():
    groups = good()
    for arrays in (groups["posterior"], groups["sample_stats"], groups["log_likelihood"]):
        for x in arrays.values():
            x[...] = x[:, :1]
    assert {LABELLED[0], INVARIANT[0], "E-BFMI"} <= failed(groups)


def test_tails_visited_in_one_long_stay_have_too_few_effective_draws():
    """Centred draws whose spread is wide in one half of every chain: only the ESS of the tails sees it."""
    groups = good()
    groups["sample_stats"]["lp"][:, : DRAWS // 2] *= 0.01
    tree = tree_of(groups)
    bulk = float(az.ess(tree, group="sample_stats", var_names="lp", method="bulk")["lp"])
    tail = float(az.ess(tree, group="sample_stats", var_names="lp", method="tail", prob=(0.05, 0.95))["lp"])
    assert tail < TOLERANCES.ess_per_chain * CHAINS < bulk
    assert lines(groups)[INVARIANT[1]].figure == pytest.approx(tail)


def test_three_draws_cannot_be_believed():
    groups = {group: {name: x[:2, :3] for name, x in arrays.items()} for group, arrays in good().items()}
    assert set(LABELLED + INVARIANT) <= failed(groups)


def test_trees_of_other_samplers():
    groups = good()
    groups["sample_stats"] = {"logp": random_walk((CHAINS, DRAWS))}  # as nutpie calls it
    assert set(INVARIANT) <= failed(groups)
    assert set(lines(groups)) == {*LABELLED, *INVARIANT}
    del groups["log_likelihood"]
    assert set(INVARIANT) <= failed(groups)
    groups["sample_stats"] = {"energy": random_walk((CHAINS, DRAWS))}
    with pytest.raises(InputError, match="free of labels"):
        diagnose(tree_of(groups))


# The figures


@pytest.mark.parametrize("ci_prob", [0.5, 0.95])
def test_figures_are_those_of_arviz(ci_prob):
    rng = np.random.default_rng(1)
    draws = rng.standard_t(4, size=(CHAINS, 200, 3)) + 0.1 * random_walk((CHAINS, 200, 3))
    ours = summarise(draws, ci_prob)
    tree = az.from_dict({"posterior": {"q": draws}})
    theirs = az.summary(tree, ci_prob=ci_prob, ci_kind="eti", round_to="none")
    bounds = [name for name in theirs.columns if name.startswith("eti")]
    pairs = {"mean": "mean", "sd": "sd", "lower": bounds[0], "upper": bounds[1]}
    pairs |= {name: name for name in ("ess_bulk", "r_hat")}
    for name, column in pairs.items():
        np.testing.assert_allclose(ours[name], theirs[column], rtol=1e-10, err_msg=name)
    tail = az.ess(tree, method="tail", prob=(0.05, 0.95))["q"]
    np.testing.assert_allclose(ours["ess_tail"], tail, rtol=1e-10)


def test_figures_of_constants_and_of_nan():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(CHAINS, 100, 3))
    alone = summarise(draws[..., 1:2], 0.9)
    draws[..., 0] = 2.0
    draws[0, 0, 2] = np.nan
    figures = summarise(draws, 0.9)
    for name, values in figures.items():
        assert values[1] == pytest.approx(alone[name][0], rel=1e-10), name
        assert np.isnan(values[2]), name
    for name in ("ess_bulk", "ess_tail", "r_hat"):
        assert np.isnan(figures[name][0])
    assert (figures["mean"][0], figures["sd"][0], figures["lower"][0], figures["upper"][0]) == (2, 0, 2, 2)
