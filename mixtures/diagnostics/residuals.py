"""Residual association of pairs of items, which a mixture of independent items leaves unexplained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixtures.arguments import check_whole, generator
from mixtures.diagnostics.predictive import refuse_weights, replicated_sets
from mixtures.draws import evenly_spaced, not_fitted, sets_of
from mixtures.errors import DataWarning, InputError
from mixtures.families.categorical import one_hot
from mixtures.families.profiles import item_levels, item_tables
from mixtures.given import Given, fitted_rows, given
from mixtures.messages import warn
from mixtures.progress import track
from mixtures.results.residuals import BivariateResiduals, PairResidual
from mixtures.types import Array, Params

__all__ = ["bivariate_residuals"]


def bivariate_residuals(
    result: Any,
    X: Any = None,
    *,
    n_draws: int = 500,
    missing: str | None = None,
    labels: Any = None,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = False,
) -> BivariateResiduals:
    r"""Ask of every two items whether the clusters explain how they are associated.

    Of items with R and R' levels, observed together in n rows::

        residual   X2 / ((R - 1) (R' - 1)),   X2 = sum_cells (observed - expected)^2 / expected
        expected   n sum_k alpha_k p_k(level) p_k'(level')

    A large residual means that the two items depend on each other within clusters: more clusters, or
    one item less, may be called for. Because the parameters are fitted to the same table, and to all
    others, residuals of a correct model do not follow a chi-squared distribution, not even divided by
    its degrees of freedom, and are smaller (Oberski et al. 2013): there is no rule such as "above 4".
    They are therefore judged by replicated data. For each of ``n_draws`` draws of a posterior sample a
    data set is drawn from the model with the draw's parameters, and X2 of the data and of the replicate
    are compared under these same parameters; ``p`` is the share of draws in which the replicate is at
    least as far off (Gelman, Meng and Stern 1996). A small p means that the model does not produce such
    an association. Since the data are used twice, p under a correct model is not uniform but closer to
    one half: the judgement is cautious. A point estimate has residuals and no p-values.

    Pairs are left out where one of the items has a single level in these rows, since nothing can be
    associated with it.

    With missing cells, a pair is judged by the rows in which both are observed, and their table is
    compared with that of all rows of the model. This assumes that these rows are like the others, that
    is, that cells are missing completely at random, which is more than estimation assumes.

    Parameters
    ----------
    result : EMFit, MAPFit, Crosscheck or xarray.DataTree
        A fit of a BMM or an LCA, or a posterior sample of one; of a crosscheck its sample. Labels need
        not be aligned.
    X : array_like or frame, shape (n, D), optional
        The data that were fitted, without weights; by default those that the sample holds.
    n_draws : int, default 500
        Draws to use at most, evenly spaced, each with one replicated data set.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells; replicates miss the same cells.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `predictive_checks`: a labelled row is replicated from its cluster.
    random_seed : int or numpy.random.Generator, optional
        Seed of the replicates.
    progressbar : bool, default False
        Show the progress over the draws.

    Returns
    -------
    BivariateResiduals
        Every pair with its residual, from a sample that under the mean of the draws' expected tables, and
        p; the largest first.

    Raises
    ------
    InputError
        If the components have no levels, there is one item only, or the data have weights or do not
        fit the model.

    Warns
    -----
    DataWarning
        If the sample was drawn from other rows, as far as it tells.

    References
    ----------
    Vermunt and Magidson, *Technical Guide for Latent GOLD* (2016), section 7.3; Oberski, van Kollenburg
    and Vermunt (2013), *Advances in Data Analysis and Classification* 7, 267-279; Gelman, Meng and Stern
    (1996), *Statistica Sinica* 6, 733-807.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.digits().iloc[:, 10:14]
    >>> em = mx.fit_em(mx.BMM(2), X, random_seed=1)
    >>> len(mx.bivariate_residuals(em, X).pairs)
    6
    """
    check_whole(1, n_draws=n_draws)
    found = given(result)
    numbers = item_levels(found.spec.family, len(found.features))
    data = found.named.read(fitted_rows(found, result, X), missing=missing, labels=labels)
    refuse_weights(data, "residuals compare rows and do not")
    if found.is_sample and (other := not_fitted(found.sample, data)):
        warn(f"{other}: the residuals are of other rows than those that were fitted", DataWarning)
    if data.n_features < 2:
        raise InputError("there is one item only: residual associations need two")
    sets = sets_of(found.draws, evenly_spaced(len(found.draws["alpha"]), n_draws))
    own = _Tables.of(data.values.T, max(numbers))
    if not found.is_sample:
        return _result(found.features, numbers, own, own.misfit(_joint(found, sets[0])), None, 0)
    rng, mean, above = generator(random_seed), np.zeros_like(own.counts), np.zeros_like(own.rows)
    replicates = replicated_sets(found.spec, data, sets, len(sets), rng)
    for params, rows in zip(
        track(sets, "Replicates", shown=progressbar, total=len(sets)), replicates, strict=True
    ):
        joint = _joint(found, params)
        mean += joint / len(sets)
        above += _Tables.of(rows.T, max(numbers)).misfit(joint) >= own.misfit(joint)
    return _result(found.features, numbers, own, own.misfit(mean), above / len(sets), len(sets))


@dataclass(frozen=True, eq=False)
class _Tables:
    """Tables of all pairs of D items: counts (D, C, D, C), and the rows (D, D) with both observed."""

    counts: Array
    rows: Array

    @classmethod
    def of(cls, X: Array, levels: int) -> "_Tables":
        """Tables of rows ``X (D, n)`` of codes; missing cells are in no table."""
        hot, seen = one_hot(X, levels), (~np.isnan(X)).astype(np.float64)
        shape = (len(X), levels, len(X), levels)
        return cls((hot @ hot.T).reshape(shape), seen @ seen.T)

    @property
    def varies(self) -> np.ndarray:
        """Whether the first item of every two (D, D) has several levels in the rows with both observed."""
        return np.asarray((self.counts.sum(axis=3) > 0).sum(axis=1) > 1)

    def misfit(self, joint: Array) -> Array:
        """Pearson's X2 (D, D) of every pair under the joint probabilities of levels (D, C, D, C)."""
        expected = self.rows[:, None, :, None] * joint
        apart, possible = (self.counts - expected) ** 2, (expected > 0) | (self.counts > 0)
        with np.errstate(divide="ignore"):  # what the model rules out is infinitely far off
            excess = np.divide(apart, expected, out=np.zeros_like(expected), where=possible)
        return np.asarray(excess.sum(axis=(1, 3)))


def _joint(found: Given, params: Params) -> Array:
    """Probability (D, C, D, C) of the levels of every two items, which are independent in a cluster."""
    p = item_tables(found.spec.family, params)
    return np.asarray(np.einsum("k,kdc,kef->dcef", params["alpha"], p, p, optimize=True))


def _result(
    features: Sequence[str],
    numbers: Sequence[int],
    tables: _Tables,
    misfit: Array,
    p: Array | None,
    n_draws: int,
) -> BivariateResiduals:
    own, varies = np.array(numbers, dtype=float) - 1, tables.varies
    residual = misfit / np.maximum(np.outer(own, own), 1)
    known = np.triu(varies & varies.T, 1)
    first, second = np.nonzero(known)
    order = np.argsort(-residual[first, second], kind="stable")
    pairs = tuple(
        PairResidual(
            features[i],
            features[j],
            float(residual[i, j]),
            None if p is None else float(p[i, j]),
            int(tables.rows[i, j]),
        )
        for i, j in zip(first[order], second[order], strict=True)
    )
    others = np.triu(~known, 1)
    left_out = tuple((features[i], features[j]) for i, j in zip(*np.nonzero(others), strict=True))
    return BivariateResiduals(pairs, n_draws, left_out)
