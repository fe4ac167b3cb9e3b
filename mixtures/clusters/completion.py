"""Missing cells of rows, from the observed ones and a fitted mixture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from narwhals.dependencies import is_pandas_dataframe, is_pandas_series

from mixtures.arguments import check_share, check_whole, generator
from mixtures.data.known_labels import numbered
from mixtures.data.levels import labels_of
from mixtures.data.reading import INTEGRATE, by_names
from mixtures.data.table import Data
from mixtures.draws import of_sample, some_draws
from mixtures.families.assignment import assigned
from mixtures.families.mixture import Mixture
from mixtures.families.questions import cell_summary
from mixtures.given import Fit, Parameters, at_point, names_of, with_params
from mixtures.progress import track
from mixtures.results.completion import Completed
from mixtures.types import Array, Params

__all__ = ["complete"]

BLOCK = 2**21
"""Values (draws x rows x clusters x features) held in memory at once."""


def complete(
    spec: Mixture | Fit,
    X: Any = None,
    params: Parameters | None = None,
    *,
    labels: Any = None,
    draws: int = 0,
    ci_prob: float = 0.95,
    n_draws: int = 200,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = False,
) -> Completed:
    """Estimate every missing cell given the observed cells of its row.

    A missing cell is distributed as a mixture: of the clusters, by the responsibilities that
    the observed cells give, and of the draws of a posterior sample, if there is one. This assumes
    that cells are missing at random, given the observed ones.

    Parameters
    ----------
    spec : Mixture, EMFit, MAPFit, Crosscheck or xarray.DataTree
        The model, or a fit or posterior sample of it, as in `responsibilities`.
    X : array_like or frame, shape (n, D)
        Rows, old or new, with missing cells: NaN, None, ``pandas.NA``, nulls or masked. Columns are
        matched by name, and the rows are by default, as in `responsibilities`.
    params : dict of ndarray or xarray.DataTree
        Parameters, such as ``em.params``, or a posterior sample; left out if a fit is given. From a
        sample, means, standard deviations and intervals include the uncertainty of the parameters.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: missing cells of a labelled row are those of its cluster.
        Clusters of a crosscheck with names may be given by name.
    draws : int, default 0
        Number of completed data sets to draw, as for multiple imputation.
    ci_prob : float, default 0.95
        Probability of the intervals.
    n_draws : int, default 200
        Draws of a sample to use at most, evenly spaced.
    random_seed : int or numpy.random.Generator, optional
        Seed of the draws.
    progressbar : bool, default False
        Show the progress over the rows.

    Returns
    -------
    Completed
        The data with missing cells at their means, a table of the missing cells, and draws. Row and
        column labels are those of X, and columns are in its order. Data with labels come back as a pandas
        frame, others as an array.

    Raises
    ------
    InputError
        As of `responsibilities`.

    References
    ----------
    Little and Rubin, *Statistical Analysis with Missing Data* (2019), chapters 5 and 11.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> X.loc[0, "waiting"] = float("nan")
    >>> mx.complete(em, X).cells.round(1).loc[0, "waiting"].to_dict()
    {'mean': 76.1, 'sd': 5.4, 'lower': 65.4, 'upper': 86.8}
    """
    check_share(ci_prob=ci_prob)
    check_whole(0, draws=draws)
    labels = numbered(labels, names_of(spec))
    spec, X, params = with_params(spec, X, params)
    X = X.to_frame(X.name or "x0") if is_pandas_series(X) else by_names(X)
    if isinstance(params, xr.DataTree):
        spec, data, tree = of_sample(spec, X, params, missing=INTEGRATE, labels=labels)
        sets: Sequence[Params] = some_draws(spec, tree, n_draws)
    else:
        data = spec.read(X, missing=INTEGRATE, labels=labels)
        sets = [at_point(spec, params, data.n_features)]
    rng = generator(random_seed)
    holes = np.isnan(data.values)
    parts: list[dict[str, Array]] = []
    drawn = np.empty((np.count_nonzero(holes), draws))
    rows = np.flatnonzero(holes.any(axis=1))
    ends = np.concatenate([[0], np.cumsum(holes[rows].sum(axis=1))])
    size = max(1, BLOCK // (len(sets) * spec.n_components * data.n_features))
    tail = (1 - ci_prob) / 2
    for first in track(range(0, len(rows), size), "Missing cells", shown=progressbar):
        some = rows[first : first + size]
        here = data.part(some)
        place = slice(ends[first], ends[min(first + size, len(rows))])
        X_some = np.ascontiguousarray(here.values.T)
        shares = [assigned(here, spec.log_joint(one)(X_some)) for one in sets]
        parts.append(cell_summary(spec.family, sets, shares, X_some, tail))
        for j in range(draws):
            s = int(rng.integers(len(sets)))
            filled = spec.family.fill(sets[s], X_some, _clusters(shares[s], rng), rng)
            drawn[place, j] = filled.T[holes[some]]
    if not parts:
        none = np.empty((data.n_features, 0))
        parts = [cell_summary(spec.family, sets, [np.empty((spec.n_components, 0))] * len(sets), none, tail)]
    cells = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _labelled(X, data, holes, cells, drawn if draws else None)


def _clusters(r: Array, rng: np.random.Generator) -> np.ndarray:
    """A cluster (n,) for every row, drawn by its responsibilities (K, n)."""
    ends = np.cumsum(r, axis=0)
    return np.asarray((rng.random(ends.shape[1]) * ends[-1] < ends).argmax(axis=0))


def _labelled(
    X: Any, data: Data, holes: np.ndarray, cells: Mapping[str, Array], drawn: Array | None
) -> Completed:
    """The answer under the labels of the data: the first of the cells' arrays is what fills them."""
    row, column = np.nonzero(holes)
    index = pd.MultiIndex.from_arrays(
        [data.obs_id[row], np.array(data.features, dtype=object)[column]], names=["row", "column"]
    )
    first = next(iter(cells))
    filled = labels_of(data, cells[first], column)
    table = pd.DataFrame({**cells, first: filled}, index=index)
    if drawn is not None:
        drawn = labels_of(data, drawn, column)
    return Completed(
        _whole(X, data, holes, filled), table, None if drawn is None else pd.DataFrame(drawn, index=index)
    )


def _whole(X: Any, data: Data, holes: np.ndarray, filled: Array) -> Any:
    """The data with what fills their missing cells; a pandas frame where they are one."""
    places = np.tile(np.arange(data.n_features), (data.n_rows, 1))
    values = np.array(data.values, dtype=filled.dtype)
    values[~holes] = labels_of(data, data.values[~holes], places[~holes])
    values[holes] = filled
    if is_pandas_dataframe(X):
        whole = X.copy()
        for place, name in enumerate(X.columns):
            j = data.features.index(str(name)) if str(name) in data.features else place
            if holes[:, j].any():
                column = pd.Series(values[:, j], index=X.index)
                is_category = isinstance(X[name].dtype, pd.CategoricalDtype)
                whole[name] = column.astype(X[name].dtype) if is_category else column.infer_objects()
        return whole
    if not hasattr(X, "columns"):
        return values
    names = [str(name) for name in getattr(X, "column_names", X.columns)]  # pyarrow's columns are arrays
    return pd.DataFrame(values, columns=list(data.features))[names]
