"""Posterior of the number of clusters of an overfitted mixture that hold rows."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.arguments import generator
from mixtures.diagnostics.diagnose import MIXING, label_free
from mixtures.diagnostics.mixing import summarise
from mixtures.draws import checked_draws, not_fitted, of_sample, resolved_for, sets_of
from mixtures.errors import InputError
from mixtures.families.assignment import assigned
from mixtures.families.mixture import Mixture
from mixtures.given import posterior_of, with_sample
from mixtures.posterior.target import MixtureTarget
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.selection import OccupiedClusters
from mixtures.results.verdict import Check, Verdict, check
from mixtures.tolerances import TOLERANCES

__all__ = ["occupied_clusters"]


def occupied_clusters(
    tree: xr.DataTree | Crosscheck,
    spec: Mixture | None = None,
    X: Any = None,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
) -> OccupiedClusters:
    """Count the clusters that hold rows in every posterior draw of an overfitted mixture.

    With a concentration of the weights well below half the number of parameters
    of a cluster, such as ``GMM(10, weight_concentration=0.01)``, a mixture with
    too many clusters empties those it does not need. Rows are assigned to clusters
    at random by each draw's responsibilities; no threshold on alpha is needed.

    Parameters
    ----------
    tree : xarray.DataTree or Crosscheck
        Posterior sample of the model, or a crosscheck with one; it need not be aligned, unless labels of
        rows are known.
    spec : Mixture, optional
        The model; its number of clusters is an upper bound. By default it is recognised by its parameters.
    X : array_like or frame, shape (n, D), optional
        The data that were fitted; columns are matched to the sample's by name. By default those that the
        sample holds.
    weights : array_like of int, shape (n,), optional
        Frequency weights, whole numbers.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: a labelled row is in its cluster, in every draw. The sample
        must be one that was drawn with labels, or aligned.
    random_seed : int or numpy.random.Generator, optional
        Seed of the random assignment.

    Returns
    -------
    OccupiedClusters
        Probability of every number, and whether the chains mixed.

    Raises
    ------
    InputError
        If the tree is not a sample of this model or was drawn from other rows, or weights are not whole.

    References
    ----------
    Rousseau and Mengersen (2011), *JRSS B* 73; Malsiner-Walli,
    Frühwirth-Schnatter and Grün (2016), *Statistics and Computing* 26.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> tree = mx.sample(mx.GMM(2), X, draws=100, random_seed=1, progressbar=False)
    >>> mx.occupied_clusters(tree, random_seed=1).most_probable
    2
    """
    drawn = tree
    if spec is None:
        spec, X, tree = with_sample(tree, X, None)
    elif isinstance(tree, Crosscheck):
        tree = posterior_of(tree)
    spec, data, tree = of_sample(spec, X, tree, weights, missing=missing, labels=labels)
    if other := not_fitted(tree, data, whole=True):
        raise InputError(f"{other}: pass the rows that were fitted, with their weights and labels, or none")
    MixtureTarget(resolved_for(spec, tree, data), data).check_drawn(tree)
    posterior, k = tree["posterior"], spec.n_components
    counts = data.counts
    if (counts != np.round(counts)).any():
        raise InputError("weights must be whole numbers here: a row is assigned as often as it counts")
    rng, draws = generator(random_seed), checked_draws(spec, tree)
    numbers = np.empty(len(draws["alpha"]), dtype=int)
    for s, params in enumerate(sets_of(draws)):
        joint = spec.log_joint(params)(data.values.T)
        r = assigned(data, joint)
        counted = rng.multinomial(counts.astype(np.int64), r.T / r.T.sum(axis=1, keepdims=True))
        numbers[s] = np.count_nonzero(counted.any(axis=0))
    by_chain = numbers.reshape(posterior.sizes["chain"], posterior.sizes["draw"])
    shares = np.bincount(numbers, minlength=k + 1)[1:] / numbers.size
    index = pd.RangeIndex(1, k + 1, name="occupied clusters")
    verdict = Verdict((*_mixing(by_chain), *label_free(posterior_of(drawn))))
    return OccupiedClusters(pd.Series(shares, index, name="probability"), by_chain, verdict)


def _mixing(numbers: np.ndarray) -> tuple[Check, ...]:
    """Check R-hat and ESS of the number; if it never changes in any chain, it has mixed."""
    if (numbers == numbers[0, 0]).all():
        return ()
    figures = summarise(numbers[..., None].astype(float), 0.9)
    r_hat = float(figures["r_hat"][0])
    ess, enough = float(figures["ess_bulk"][0]), TOLERANCES.ess_per_chain * len(numbers)
    advice = "the number moves slowly between its values: draw more, raise target_accept, or compare select"
    return (
        check("R-hat of the number", r_hat, TOLERANCES.rhat, r_hat < TOLERANCES.rhat, advice, source=MIXING),
        check("ESS of the number", ess, enough, ess > enough, advice, source=MIXING),
    )
