"""Samplers for a compiled model, whose draws and statistics all take the same form.

PyMC and nutpie give up all chains if one fails; here the others are then drawn again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from mixtures.density.density import Density
from mixtures.density.search import reach
from mixtures.posterior.chains import Chains
from mixtures.posterior.nuts import STATISTICS, Frame, compile_nuts, run_nuts
from mixtures.posterior.peaks import reordered
from mixtures.posterior.runs import Draws, nothing_kept
from mixtures.posterior.whitening import WHITEN_SIZE, frames_at, jitter_inside
from mixtures.progress import counting
from mixtures.types import Array

__all__ = ["DRAW", "draw_by_blackjax", "draw_by_nutpie", "draw_by_pymc"]


def draw_by_pymc(density: Density, starts: list[Array], rng: np.random.Generator, how: Chains) -> Draws:
    """Draw by PyMC's own NUTS: one chain after another, unless ``cores`` asks for processes."""
    import pymc as pm

    cores, seed = how.cores or 1, int(rng.integers(2**31))
    steps = [0.1 * rng.standard_normal(x.size) for x in starts]
    points = [
        density.constrain(x + reach(density, x, step) * step) for x, step in zip(starts, steps, strict=True)
    ]
    free = list(density.rv_shapes)

    def draw(chains: Sequence[int]) -> xr.DataTree:
        done = Counter[int]()

        def stop_with_the_chain_before(trace: Any, draw: Any) -> None:
            """Stop the next chain as well: PyMC ends only one chain at an interrupt."""
            done[draw.chain] += 1
            if draw.chain and done[draw.chain - 1] < how.tune + how.draws:
                raise KeyboardInterrupt

        try:
            return pm.sample(
                draws=how.draws,
                tune=how.tune,
                chains=len(chains),
                cores=cores,
                mp_ctx="spawn",  # JAX runs threads, which do not survive a fork
                callback=stop_with_the_chain_before if cores == 1 else None,
                random_seed=[seed + i for i in chains],
                initvals=[{name: points[i][name] for name in free} for i in chains],
                nuts_sampler="pymc",
                nuts={"target_accept": how.target_accept, "max_treedepth": how.max_treedepth},
                progressbar=how.progressbar,
                compute_convergence_checks=False,
                quiet=not how.progressbar,
                model=density.built.source,
            )
        except ValueError as error:
            if "Not enough samples" in str(error):  # what PyMC makes of an early interrupt
                raise nothing_kept() from error
            raise

    return _gathered(density, draw, [range(len(starts))], how)


def draw_by_nutpie(density: Density, starts: list[Array], rng: np.random.Generator, how: Chains) -> Draws:
    """Draw by nutpie, with the log density from JAX, and a program for every mode where chains start."""
    import nutpie

    from mixtures.density.lowering import keep_checks

    keep_checks()
    seed, steps = int(rng.integers(2**31)), rng.standard_normal(density.size)
    values = [density.constrain(x) for x in starts]
    places = [next(i for i, other in enumerate(values) if reordered(own, other)) for own in values]
    together = [[chain for chain, at in enumerate(places) if at == place] for place in sorted(set(places))]

    @cache
    def program(place: int) -> Any:
        x, step = starts[place], 0.1 * steps
        point = density.constrain(x + reach(density, x, step) * step)
        return nutpie.compile_pymc_model(
            density.built.source,
            backend="jax",
            gradient_backend="jax",
            initial_points={name: point[name] for name in density.rv_shapes},
            jitter_rvs=set() if len(together) > 1 else None,  # a jitter of one unit leaves a small mode
        )

    def draw(chains: Sequence[int]) -> xr.DataTree:
        return nutpie.sample(
            program(places[chains[0]]),
            draws=how.draws,
            tune=how.tune,
            chains=len(chains),
            cores=how.cores,
            seed=seed + chains[0],
            target_accept=how.target_accept,
            maxdepth=how.max_treedepth,
            progress_bar=how.progressbar,
        )

    return _gathered(density, draw, together, how)


def _gathered(
    density: Density,
    draw: Callable[[Sequence[int]], xr.DataTree],
    together: Sequence[Sequence[int]],
    how: Chains,
) -> Draws:
    """Draw chains together by a sampler that gives up all of them if one fails; if so, each by itself."""
    failed: dict[int, BaseException] = {}
    n, chains = sum(map(len, together)), list[tuple[Array, dict[str, Array]]]()

    def alone(chain: int) -> list[xr.DataTree]:
        try:
            return [draw([chain])]
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in nutpie is not an Exception
            failed[chain] = error
            return []

    for some in together:
        try:
            trees = [draw(some)]
        except (KeyboardInterrupt, SystemExit):
            if not chains:
                raise
            break
        except BaseException:
            trees = [tree for chain in (some if n > 1 else ()) for tree in alone(chain)]
            if n == 1 or len(failed) == n:
                raise
        chains += [chain for tree in trees for chain in _read_back(density, tree)]
        if any(len(x) < how.draws for x, _ in chains):  # interrupted
            break
    ended = len(chains) + len(failed) == n and all(len(x) == how.draws for x, _ in chains)
    return Draws.gathered(chains, not ended, failed)


def _read_back(density: Density, tree: xr.DataTree) -> list[tuple[Array, dict[str, Array]]]:
    """Read every chain of another sampler: unconstrained coordinates, and statistics by common names."""
    posterior = tree["posterior"].to_dataset()
    x = density.unconstrain_draws({name: posterior[name].values for name in density.rv_shapes})
    lengths = np.isfinite(x).all(axis=-1).sum(axis=1)  # nutpie fills up chains that were cut short
    nutpie_names = {
        "depth": "tree_depth",
        "logp": "lp",
        "mean_tree_accept": "acceptance_rate",
        "maxdepth_reached": "reached_max_treedepth",
    }
    stats = tree["sample_stats"].to_dataset()
    renamed = {nutpie_names.get(str(name), str(name)): v.values for name, v in stats.data_vars.items()}
    types = {**STATISTICS, "reached_max_treedepth": bool}
    kept = {name: kind for name, kind in types.items() if name in renamed}
    return [
        (x[i, :length], {name: renamed[name][i, :length].astype(kind) for name, kind in kept.items()})
        for i, length in enumerate(lengths)
    ]


Sampler = Callable[[Density, list[Array], np.random.Generator, Chains], Draws]


def draw_by_blackjax(density: Density, starts: list[Array], rng: np.random.Generator, how: Chains) -> Draws:
    """Draw by BlackJAX's NUTS with the whole loop inside XLA, in whitened coordinates."""
    seed = int(rng.integers(2**31))
    basis = np.eye(density.size) if density.size <= WHITEN_SIZE else np.ones(density.size)
    like = Frame(starts[0], basis, np.zeros(density.size))
    with ThreadPoolExecutor(1) as pool:  # XLA compiles the sampler while the starts are whitened
        compiling = pool.submit(compile_nuts, density, like, how)
        frames = [jitter_inside(density, frame) for frame in frames_at(density, starts, rng)]
        compiling.result()
    with counting("NUTS", len(starts) * (how.tune + how.draws), shown=how.progressbar) as on_progress:
        drawn = run_nuts(density, frames, how, seed, on_progress=on_progress)
    saturated: Any = drawn.statistics["tree_depth"] >= how.max_treedepth
    return replace(drawn, statistics=drawn.statistics | {"reached_max_treedepth": saturated})


DRAW: Mapping[str, Sampler] = {
    "blackjax": draw_by_blackjax,
    "nutpie": draw_by_nutpie,
    "pymc": draw_by_pymc,
}
"""How each sampler draws, by the names of `mixtures.posterior.chains.SAMPLERS`."""
