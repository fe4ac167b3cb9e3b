"""An interrupt at any step of EM's starts ends in the best that was known by then."""

from itertools import pairwise

import numpy as np
import pytest

from mixtures import GMM, fit_em
from mixtures.data.reading import as_data
from mixtures.em import batch, climb, search
from mixtures.em.estep import e_step
from mixtures.em.problem import Problem, Run

MOMENTS = 8
"""How many of the calls are interrupted, one in each fit."""


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (batch._Batch, "passed"),
        (batch._Evaluation, "__getattribute__"),  # while a pass is written down
        (Problem, "m_step"),
        (Problem, "point"),
        (Run, "then"),
        (climb, "is_hopeless"),  # between the steps of one round
        (search, "ways_off"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_ctrl_c_at_any_step_of_the_starts_gives_the_best_so_far(owner, name, monkeypatch):
    X = as_data(np.random.default_rng(0).normal(size=(60, 2)) + 2 * (np.arange(60) % 2)[:, None])
    calls, known, own, steps = [], [], getattr(owner, name), climb.Climb._steps
    monkeypatch.setattr(climb, "JUDGED", 3)  # so that a round of starts has several stretches

    def fit(last):
        def stopped(*args, **kwargs):
            calls.append(1)
            if len(calls) == last:
                raise KeyboardInterrupt
            return own(*args, **kwargs)

        def made(*args):
            ends = steps(*args)
            known.append(1)
            return ends

        calls.clear()
        known.clear()
        with monkeypatch.context() as patch:
            patch.setattr(climb.Climb, "_steps", made)
            patch.setattr(owner, name, stopped)
            return fit_em(GMM(2), X, n_init=2, random_seed=1)

    whole, total, heights = fit(-1), len(calls), []
    assert total
    for last in np.unique(np.linspace(1, total, MOMENTS).astype(int)):
        try:
            found = fit(last)
        except KeyboardInterrupt:
            assert not known
            heights.append(-np.inf)
            continue
        assert found.interrupted
        here = e_step(found.spec, X, found.params).log_likelihood
        assert found.log_likelihood == pytest.approx(here, rel=1e-10)
        assert found.log_posterior == pytest.approx(here + found.spec.log_prior(found.params), rel=1e-10)
        heights.append(found.log_posterior)
    assert all(later >= before - 1e-9 for before, later in pairwise(heights))  # nothing known is lost
    assert heights[-1] == pytest.approx(whole.log_posterior, abs=1e-4), heights
