"""Label switching: how often, between which labels, and its effect on R-hat and ESS."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mixtures.clusters.align import unalign
from mixtures.clusters.labelled import not_aligned
from mixtures.clusters.orders import find_orders
from mixtures.diagnostics.mixing import invariants, parameters, worst
from mixtures.draws import thinned
from mixtures.families.mixture import Mixture
from mixtures.given import posterior_of
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.switches import Switches, Switching
from mixtures.trees import permutation, sorted_sample

__all__ = ["compare_labellings", "count_switches", "switching"]


def switching(tree: xr.DataTree | Crosscheck) -> Switching:
    """Count the label switches of an aligned posterior sample, and show what alignment improves.

    A bad R-hat under raw labels, with good ones under aligned labels and for
    label-invariant quantities (log density, density at fixed rows, sorted weights),
    means label switching; bad values for the invariants mean true non-convergence.

    Parameters
    ----------
    tree : xarray.DataTree or Crosscheck
        An aligned posterior sample (see `align`), or a crosscheck that holds one.

    Returns
    -------
    Switching
        Switches within and between chains, shares of permutations, R-hat and ESS.

    Raises
    ------
    InputError
        If the tree is not aligned.

    References
    ----------
    Jasra, Holmes and Stephens (2005), *Statistical Science* 20.

    Examples
    --------
    >>> import mixtures as mx
    >>> tree = mx.sample(mx.GMM(2), mx.datasets.faithful(), random_seed=1, progressbar=False)
    >>> report = mx.switching(tree)
    >>> report.within
    (0, 0, 0, 0)
    >>> bool(report.mixing.loc["aligned labels", "r_hat"] < 1.01)
    True
    """
    tree = posterior_of(tree)
    stored = permutation(tree)
    if stored is None:
        raise not_aligned(tree, "there are no switches to count")
    quantities = {
        "raw labels": parameters(unalign(tree)),
        "aligned labels": parameters(tree),
        **invariants(tree),
    }
    figures = {name: worst(draws) or {} for name, draws in quantities.items()}
    mixing = pd.DataFrame.from_dict(figures, orient="index", columns=["r_hat", "ess_bulk", "ess_tail"])
    return Switching(**vars(count_switches(stored)), mixing=mixing)


def count_switches(stored: np.ndarray) -> Switches:
    """Count the switches of permutations (chain, draw, cluster)."""
    return Switches(
        within=tuple((stored[:, 1:] != stored[:, :-1]).any(axis=-1).sum(axis=1).tolist()),
        between=len({next(iter(_shares(chain))) for chain in stored}),
        shares=_shares(stored.reshape(-1, stored.shape[-1])),
    )


def compare_labellings(
    tree: xr.DataTree,
    to: Mapping[str, Any] | None = None,
    *,
    methods: Sequence[str] = ("parameters", "ecr", "stephens"),
    spec: Mixture | None = None,
    X: Any = None,
    weights: Any = None,
    missing: str | None = None,
    draws: int | None = None,
    dim: str | Sequence[str] | None = None,
) -> pd.DataFrame:
    """Share of draws that each pair of relabelling methods labels alike, up to one global permutation.

    If the share is near one, clusters are separated and the rule does not matter. If
    it is lower, they overlap (often because there are too many), and summaries of
    single clusters depend on the rule.

    Parameters
    ----------
    tree : xarray.DataTree
        A posterior with dims (chain, draw, ...) and ``cluster``.
    to : dict of ndarray, optional
        Parameters of the pivot, such as ``em.params``; by default the draw of highest log density.
    methods : sequence of str, default ("parameters", "ecr", "stephens")
        Methods of `align` that take a pivot.
    spec, X, weights, missing
        Model, data, frequency weights and whether cells may be missing, as in `align`.
    draws : int, optional
        Compare at most about this many draws, evenly spaced; by default all.
    dim : str or sequence of str, optional
        The dims that index clusters, as in `align`.

    Returns
    -------
    pandas.DataFrame
        Symmetric table, methods by methods; ones on the diagonal.

    Raises
    ------
    InputError
        As in `align`.

    References
    ----------
    Papastamoulis (2016), *J. Stat. Software* 69.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> tree = mx.sample(mx.GMM(2), X, em=em, random_seed=1, progressbar=False)
    >>> float(mx.compare_labellings(tree, to=em.params, draws=200).loc["parameters", "stephens"])
    1.0
    """
    tree = sorted_sample(tree)
    tree = tree if draws is None else thinned(tree, draws)
    given = {"spec": spec, "X": X, "weights": weights, "missing": missing, "dim": dim}
    orders = [find_orders(tree, to, method, **given) for method in methods]
    flat = [order.reshape(-1, order.shape[-1]) for order in orders]
    shares = [[_alike(a, b) for b in flat] for a in flat]
    return pd.DataFrame(shares, index=list(methods), columns=list(methods))


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    """Share of draws whose orders (draws, K) differ by the most frequent permutation."""
    return next(iter(_shares(np.take_along_axis(a.argsort(axis=1), b, axis=1)).values()))


def _shares(orders: np.ndarray) -> dict[tuple[int, ...], float]:
    """Share of each order among (draws, K), most frequent first."""
    distinct, counts = np.unique(orders, axis=0, return_counts=True)
    by_count = np.argsort(-counts, kind="stable")
    return {tuple(distinct[i].tolist()): float(counts[i] / len(orders)) for i in by_count}
