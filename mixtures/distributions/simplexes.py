"""Probabilities of the levels of items, each item with levels of its own, and coordinates for them."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pymc.distributions.distribution import Continuous
from pymc.logprob.transforms import Transform
from pytensor.tensor.random.op import RandomVariable

from mixtures.distributions.steps import Slopes, Step, step
from mixtures.distributions.transforms import as_floats

__all__ = ["LevelLogs", "LevelLogsSlopes", "LevelProbabilities", "StickBreaking"]


class LevelLogsSlopes(Slopes):
    """Gradient of `LevelLogs`."""


class LevelLogs(Step):
    """Logarithms (K, D, C) of the levels' probabilities, and of their slopes, at logits (K, M)."""

    slopes = LevelLogsSlopes


class LevelProbabilitiesRV(RandomVariable):
    """A Dirichlet draw for every item."""

    name = "LevelProbabilities"
    signature = "(d,c)->(d,c)"
    dtype = "floatX"
    _print_name = ("LevelProbabilities", "\\operatorname{Dirichlet}")

    @classmethod
    def rng_fn(
        cls, rng: np.random.Generator, concentration: np.ndarray, size: tuple[int, ...] | None
    ) -> np.ndarray:
        """Shares of gamma draws, 0 where there is no level."""
        batch = concentration.shape[:-2] if size is None else tuple(size)
        drawn = rng.standard_gamma(np.broadcast_to(concentration, (*batch, *concentration.shape[-2:])))
        return np.asarray(drawn / drawn.sum(axis=-1, keepdims=True))


class LevelProbabilities(Continuous):
    """An independent Dirichlet for every one of D items, which may have different numbers of levels.

    Parameters
    ----------
    concentration : array_like, shape (D, C)
        Prior counts of the levels, in ascending order; 0 for a level that the item does not have, the
        probability of which is 0.
    """

    rv_type = LevelProbabilitiesRV
    rv_op = LevelProbabilitiesRV()

    @classmethod
    def dist(cls, concentration: Any, **kwargs: Any) -> Any:
        """Create an unnamed variable."""
        return super().dist([as_floats(concentration)], **kwargs)

    def support_point(rv: Any, size: Any, concentration: Any) -> Any:  # noqa: D102 (PyMC's convention)
        mean = concentration / concentration.sum(axis=-1, keepdims=True)
        return pt.broadcast_to(mean, rv.shape)

    def logp(p: Any, concentration: Any) -> Any:  # noqa: D102
        exists = pt.gt(concentration, 0)
        power = pt.switch(exists, concentration - 1, 0.0)
        log = pt.log(pt.switch(exists, p, 1.0))
        kernel = pt.switch(pt.eq(power, 0), 0.0, power * log).sum(axis=(-2, -1))
        each = pt.switch(exists, pt.gammaln(pt.switch(exists, concentration, 1.0)), 0.0)
        normaliser = pt.gammaln(concentration.sum(axis=-1)).sum(axis=-1) - each.sum(axis=(-2, -1))
        inside = pt.ge(p, 0).all(axis=(-2, -1)) & pt.isclose(p.sum(axis=-1), 1).all(axis=-1)
        return check_parameters(
            pt.switch(inside, kernel + normaliser, -np.inf), pt.ge(concentration, 0), msg="concentration >= 0"
        )


class StickBreaking(Transform):
    """Probabilities (..., D, C) to logits (..., M) of each level's share of itself and the levels after it.

    The last level of an item has no coordinate, nor has a level that the item lacks. Where a probability
    is 0, only its own coordinate, or that of the last level before it, is infinite.

    Parameters
    ----------
    exists : ndarray of bool, shape (D, C)
        Which levels the items have, the first of each row.
    """

    name = "stickbreaking"
    ndim_supp = 2

    def __init__(self, exists: np.ndarray) -> None:
        self.exists = exists
        self.steps = exists & np.concatenate([exists[:, 1:], np.zeros_like(exists[:, :1])], axis=1)
        self.item, self.level = np.nonzero(self.steps)
        self.places = np.full(exists.shape, len(self.item))  # where there is no coordinate: one more, of 0
        self.places[self.steps] = np.arange(len(self.item))

    def forward(self, value: Any, *inputs: Any) -> Any:
        """Logits."""
        value = pt.as_tensor_variable(value)
        after = pt.cumsum(value[..., ::-1], axis=-1)[..., ::-1]
        after = pt.concatenate([after[..., 1:], pt.zeros_like(after[..., :1])], axis=-1)
        return pt.log(value[..., self.item, self.level]) - pt.log(after[..., self.item, self.level])

    def backward(self, value: Any, *inputs: Any) -> Any:
        """Shares of what is left."""
        log, _ = self._logs(value)
        return pt.switch(self.exists, pt.exp(log), 0.0)

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        """``sum log p_c + log (1 - v_c)`` over the coordinates, with v the share of what is left."""
        _, log_slope = self._logs(value)
        return pt.switch(self.steps, log_slope, 0.0).sum(axis=(-2, -1))

    def _logs(self, value: Any) -> tuple[Any, Any]:
        """Logarithms (..., D, C) of the probabilities, and of their slopes in their own logits."""
        value = pt.as_tensor_variable(value)
        places = pt.constant(self.places.astype(np.float64))
        return tuple(
            step(LevelLogs, _level_logs, value, places) if value.ndim == 2 else _level_logs(value, places)
        )


def _level_logs(value: Any, places: Any) -> tuple[Any, Any]:
    """What `LevelLogs` computes; places (D, C) say which coordinate a level has, M if it has none.

    Neither is computed from the other: a step's outputs have gradients of their own.
    """
    levels = places.type.shape[-1]
    steps = pt.lt(places, value.shape[-1])
    logits = pt.concatenate([value, pt.zeros_like(value[..., :1])], axis=-1)[..., places.astype("int64")]
    left = pt.switch(steps, -pt.softplus(logits), 0.0)
    own = pt.switch(steps, -pt.softplus(-logits), 0.0)
    before, until = (np.triu(np.ones((levels, levels)), k) for k in (1, 0))  # sums over levels
    return left @ before + own, left @ until + own
