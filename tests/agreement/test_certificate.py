"""Every line of the certificate, on densities and fits made up so that the right answer is known."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import mixtures as mx
from mixtures.agreement.certificate import (
    INDEPENDENT,
    count_starts,
    identified,
    independent,
    maximum,
    returns,
    slopes,
)
from mixtures.agreement.modes import displaced
from mixtures.agreement.table import _in_sds, parameter_table
from mixtures.data.reading import as_data
from mixtures.density.curvature import Curvature
from mixtures.results.em import EMFit, Restarts
from mixtures.results.map import MAPFit
from mixtures.results.verdict import Starts
from mixtures.tolerances import TOLERANCES
from mixtures.trees import make_tree

FREE = np.zeros(2, dtype=bool)
ROUND = Curvature.of(-np.eye(2), np.ones(2))
TIGHT = Curvature.of(-1e12 * np.eye(2), np.ones(2))


def sloping(*gradient):
    """A density with this gradient everywhere."""
    return SimpleNamespace(value_and_grad=lambda x: (float(x @ gradient), np.array(gradient)))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_slope_of_either_sign_fails_unless_the_top_is_next_to_nothing_away(sign):
    for slope, curvature, passes in ((2e-4, ROUND, False), (9e-5, ROUND, True), (1e-3, TIGHT, True)):
        (check,) = slopes(sloping(0.0, sign * slope), np.zeros(2), FREE, "EM", curvature)
        assert check.passed is passes
        assert check.figure == pytest.approx(slope)


@pytest.mark.parametrize("at", [20.0, -20.0], ids=["at 1", "at 0"])
def test_a_probability_at_its_boundary_may_rise_outwards_only(at):
    bound, x = np.array([True, False]), np.array([at, 0.0])
    outwards = np.sign(at) * np.exp(-20.0)  # of 1 per unit of the probability
    for slope, passes in ((outwards, True), (-outwards, False), (0.0, True)):
        flat, edge = slopes(sloping(slope, 0.0), x, bound, "EM", ROUND)
        assert flat.passed
        assert edge.passed is passes
        assert edge.figure == pytest.approx(0.0 if passes else 1.0)


def test_a_maximum_curves_down_everywhere():
    for values, holds in (
        ([2.0, 1.0], True),
        ([2.0, -1.0], False),
        ([2.0, 0.0], False),
        ([2.0, np.nan], False),
    ):
        assert maximum(replace(ROUND, values=np.array(values))).passed is holds


def test_an_empty_cluster_is_not_identified():
    data, params = (
        as_data(np.arange(6.0)[:, None]),
        {"mu": np.array([[0.0], [5.0]]), "sigma2": np.ones((2, 1))},
    )
    spec = mx.GMM(2, covariance_type="diag")
    for alpha, holds in (([0.5, 0.5], True), ([1.0, 0.0], False)):
        check = identified(spec, data, SimpleNamespace(params=params | {"alpha": np.array(alpha)}))
        assert check.passed is holds
    assert "cluster 1 is empty" in check.note


def of_map(*heights, converged=True):
    return MAPFit(None, {}, max(heights), 0.0, converged, "a slope", np.array(heights), {}, {})


def of_em(best, *heights, kinds=("k-means", "random rows", "prior")):
    restarts = Restarts(np.array(heights), (), (), {}, best, kinds[: len(heights)])
    return EMFit(None, {}, best, best, np.array([]), True, 1, restarts, (), ())


def test_every_gap_counts_and_map_must_have_arrived():
    for gaps, mode, holds in (
        ([0.0, 9e-5], of_map(0.0), True),
        ([0.0, 2e-4], of_map(0.0), False),
        ([0.0, np.inf], of_map(0.0), False),
        ([0.0, 0.0], of_map(0.0, converged=False), False),
    ):
        check = returns(mode, pd.DataFrame({"gap": gaps}))
        assert check.passed is holds
    assert check.note == "a slope"
    found = _in_sds(pd.DataFrame({"EM": [1.0, 1.0, 1.5], "MAP": [1.0, 2.0, 1.0]}), np.array([0.0, 0.0, 2.0]))
    np.testing.assert_array_equal(found, [0.0, np.inf, 0.25])
    by_rounding = pd.DataFrame({"EM": [1.0], "MAP": [1.0 + 2e-16]})  # as on a diagonal of correlations
    np.testing.assert_array_equal(_in_sds(by_rounding, np.array([1e-16])), [0.0])


def test_an_entry_that_never_moved_has_its_gap_in_sds_of_the_curvature():
    moving = {"a": np.zeros((2, 50)), "b": np.random.default_rng(0).normal(size=(2, 50))}
    dims = {"a": (), "b": ()}
    compiled = SimpleNamespace(coords={}, dims=dims, constrain=lambda x: {"a": x[:, 0], "b": x[:, 1]})
    em, mode = {"a": 0.0, "b": 0.0}, {"a": 1e-9, "b": 0.0}
    tree, rng = make_tree({"posterior": moving}, dims, {}), np.random.default_rng(0)
    table = parameter_table(compiled, em, mode, tree, np.zeros(2), ROUND, rng, 0.95)
    np.testing.assert_allclose(table["gap"], [1e-9, 0.0], rtol=0.1)


def test_starts_are_counted_at_the_highest_optimum_that_either_found():
    higher_map = count_starts(of_map(-5.0, -5.0, -9.0), of_em(-7.0, -7.0, -7.0, -8.0), ["a", "b", "c"])
    assert (higher_map.em, higher_map.map, higher_map.kinds) == ((0, 3), (2, 3), ("a", "b"))
    assert higher_map.share == pytest.approx(2 / 3)
    higher_em = count_starts(of_map(-9.0, -9.0, -9.0), of_em(-7.0, -7.0, -7.0, -8.0), ["a", "b", "c"])
    assert (higher_em.em, higher_em.map, higher_em.kinds) == ((2, 3), (0, 3), ("k-means", "random rows"))
    assert not higher_em.confirmed


def test_no_start_of_map_is_higher_and_enough_confirm_it():
    many, one = Starts((9, 10), (9, 10), ("a", "b"), 0.9), Starts((0, 10), (1, 10), ("a",), 0.1)
    share = Starts((2, 10), (2, 10), ("a", "b"), 0.2)
    for height, starts, holds, name in (
        (-7.0, many, True, INDEPENDENT),
        (-8.0, many, True, INDEPENDENT),
        (-6.9, many, False, INDEPENDENT),
        (-7.0, one, False, "starts that reach the best optimum"),
        (-30.0, share, False, "share of starts that reach the best optimum"),
        (-6.9, one, False, INDEPENDENT),
    ):
        check = independent(of_map(height), -7.0, 0.0, starts)
        assert (check.passed, check.name) == (holds, name)
        if not holds:  # the figure fails its limit
            assert check.figure > check.tolerance if name == INDEPENDENT else check.figure < check.tolerance


def test_map_starts_half_a_sd_away_along_every_axis():
    curvature = Curvature.of(-np.array([[4.0, 1.0], [1.0, 9.0]]), np.ones(2))
    step = displaced(np.ones(2), curvature, np.random.default_rng(0)) - 1
    sds = np.linalg.solve(curvature.whitening, step)
    np.testing.assert_allclose(np.abs(sds), TOLERANCES.displacement_sd)
