"""Coordinates in which a posterior is close to a standard normal."""

from dataclasses import replace

import numpy as np

from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import curvature_at
from mixtures.density.search import reach
from mixtures.posterior.nuts import Frame
from mixtures.types import Array

__all__ = ["WHITEN_SIZE", "frames_at", "jitter_inside"]

DIFFERENCES_SIZE = 64
"""Coordinates up to which whitening takes differences of the gradient: near enough, and less to compile."""


WHITEN_SIZE = 300
"""Coordinates up to which chains are whitened by a dense Hessian."""


def frames_at(compiled: CompiledModel, starts: list[Array], rng: np.random.Generator) -> list[Frame]:
    """Coordinates whitened by the curvature at each start; jittered starts in them.

    The curvature is that of the density that is sampled, with the Jacobian.
    Where the problem is large or the curvature not finite, coordinates stay as
    they are (of order one) and warm-up adapts alone.
    """
    frames = []
    for start in starts:
        noise = rng.standard_normal(start.size)
        plain = Frame(start, np.ones(start.size), 0.1 * noise)
        if start.size > WHITEN_SIZE:
            frames.append(plain)
            continue
        exact = start.size > DIFFERENCES_SIZE
        curvature = curvature_at(compiled, start, jacobian=True, exact=exact)
        if not np.isfinite(curvature.values).all():
            return [Frame(x, np.ones(x.size), 0.1 * rng.standard_normal(x.size)) for x in starts]
        frames.append(Frame(start, curvature.whitening, noise))
    return frames


def jitter_inside(compiled: CompiledModel, frame: Frame) -> Frame:
    """Frame whose start is jittered no further than there is a density."""
    share = reach(compiled, frame.centre, frame.to_x(frame.start) - frame.centre)
    return replace(frame, start=share * frame.start)
