"""Coordinates in which a posterior is close to a standard normal."""

from dataclasses import replace

import numpy as np

from mixtures.density.curvature import curvature_at
from mixtures.density.density import Density
from mixtures.density.search import reach
from mixtures.posterior.nuts import Frame
from mixtures.types import Array

__all__ = ["WHITEN_SIZE", "frames_at", "jitter_inside"]

WHITEN_SIZE = 300
"""Most coordinates for which chains are whitened by a dense Hessian."""


def frames_at(density: Density, starts: list[Array], rng: np.random.Generator) -> list[Frame]:
    """Frames whitened by the curvature at each start, with jittered starts.

    The curvature is that of the density that is sampled, with the Jacobian.
    If the problem is large or the curvature not finite, coordinates stay as
    they are (of order one) and only warm-up adapts.
    """
    if density.size > WHITEN_SIZE:
        return _as_they_are(starts, rng)
    frames = []
    for start in starts:
        noise = rng.standard_normal(start.size)
        curvature = curvature_at(density, start, jacobian=True)
        if not np.isfinite(curvature.values).all():
            return _as_they_are(starts, rng)
        frames.append(Frame(start, curvature.whitening, noise))
    return frames


def _as_they_are(starts: list[Array], rng: np.random.Generator) -> list[Frame]:
    return [Frame(start, np.ones(start.size), 0.1 * rng.standard_normal(start.size)) for start in starts]


def jitter_inside(density: Density, frame: Frame) -> Frame:
    """Shorten the jitter of a frame's start so that it stays in the support."""
    share = reach(density, frame.centre, frame.to_x(frame.start) - frame.centre)
    return replace(frame, start=share * frame.start)
