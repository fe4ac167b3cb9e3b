"""Importance weights: how far they can be relied on, and Markov chains that they drive."""

import numpy as np

from mixtures.types import Array

__all__ = ["acceptance", "independence_chains", "masses", "pareto_k"]


def pareto_k(log_weights: Array) -> float:
    """Pareto k of the largest weights (Vehtari et al. 2024); infinite if it cannot be fitted.

    Below 0.5 the weights have a finite variance, and estimates a standard error.
    """
    if not np.isfinite(log_weights).any():
        return np.inf
    from arviz_stats.base import array_stats  # slow to load

    try:
        with np.errstate(invalid="ignore", divide="ignore"):  # weights of zero
            k = float(array_stats.psislw(-log_weights)[1])  # it changes the sign
    except ValueError:  # the largest weights are all the same
        return -np.inf
    return k if np.isfinite(k) else np.inf


def acceptance(log_weights: Array) -> float:
    """Acceptance rate of a stationary independence chain with such weights."""
    weights = np.exp(np.sort(log_weights) - log_weights.max())
    larger = np.arange(len(weights))[::-1]
    return float((np.cumsum(weights) + weights * larger).sum() / weights.sum() / len(weights))


def independence_chains(
    first: Array, log_weights: Array, log_uniform: Array
) -> tuple[np.ndarray, np.ndarray, Array]:
    """Metropolis-Hastings chains whose proposals do not depend on where they are.

    Parameters
    ----------
    first : ndarray, shape (chains,)
        Log weights of the first states.
    log_weights : ndarray, shape (steps, chains)
        Log weights of the proposals.
    log_uniform : ndarray, shape (steps, chains)
        Logarithms of uniform numbers.

    Returns
    -------
    states : ndarray of int, shape (steps, chains)
        Step whose proposal each chain is at; -1 for its first state.
    accepted : ndarray of bool, shape (steps, chains)
        Whether the proposal was accepted.
    probability : ndarray, shape (steps, chains)
        Probability of accepting it.
    """
    states = np.empty(log_weights.shape, dtype=np.intp)
    probability = np.empty(log_weights.shape)
    accepted = np.empty(log_weights.shape, dtype=bool)
    here, at = np.array(first), np.full(len(first), -1)
    for step, proposed in enumerate(log_weights):
        log_ratio = np.minimum(proposed - here, 0.0)
        accepted[step] = log_uniform[step] < log_ratio
        here, at = np.where(accepted[step], proposed, here), np.where(accepted[step], step, at)
        states[step], probability[step] = at, np.exp(log_ratio)
    return states, accepted, probability


def masses(log_weights: Array, mode: np.ndarray, n_modes: int) -> tuple[Array, Array]:
    """Posterior mass of every mode, given the mode of every proposal, and its standard error."""
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    belongs = mode[:, None] == np.arange(n_modes)
    mass = weights @ belongs
    return mass, np.sqrt(weights**2 @ (belongs - mass) ** 2)
