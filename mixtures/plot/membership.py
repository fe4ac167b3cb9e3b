"""The cluster of every row and its uncertainty, drawn over one feature or two."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from scipy.special import entr

from mixtures.arguments import cluster_names
from mixtures.clusters.responsibilities import responsibilities as membership
from mixtures.families.mixture import Mixture
from mixtures.given import Fit, Parameters, names_of, with_params
from mixtures.plot.clusters import model_and_rows
from mixtures.plot.style import INK, axes_or_new, cluster_colour, columns, lettering

__all__ = ["responsibilities"]


def responsibilities(
    spec: Mixture | Fit,
    X: Any = None,
    params: Parameters | None = None,
    *,
    features: tuple[str, ...] | None = None,
    names: Sequence[str] | None = None,
    missing: str | None = None,
    labels: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the cluster of every row and its uncertainty.

    With two features a point's colour is the mixture of its clusters' colours, and
    less certain points are larger. With one feature the probability of every cluster
    is drawn against it, with an interval if there is a sample.

    Parameters
    ----------
    spec, X, params, features, names, missing, labels, ax
        As in `clusters`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If a column is not there, or the parameters are of other features.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> em = mx.fit_em(mx.GMM(2), X, random_seed=1)
    >>> ax = mx.plot.responsibilities(em, X)
    >>> ax.get_ylabel()
    'waiting'
    """
    named = names_of(spec) if names is None else names
    spec, data, params = model_and_rows(*with_params(spec, X, params), missing, labels)
    called = cluster_names(named, spec.n_components)
    assigned = membership(spec, data, params)
    places, ax = columns(data, features), axes_or_new(ax)
    r = assigned["responsibilities"].values
    ax.set_xlabel(lettering(data.features[places[0]]))
    if len(places) == 1:
        order = np.argsort(data.values[:, places[0]])
        x = data.values[order, places[0]]
        for k in range(spec.n_components):
            if "lower" in assigned:
                bounds = [assigned[bound].values[order, k] for bound in ("lower", "upper")]
                ax.fill_between(x, *bounds, color=cluster_colour(k), alpha=0.25, lw=0)
            ax.plot(x, r[order, k], ".-", color=cluster_colour(k), lw=1, label=lettering(called[k]))
        ax.set_ylabel("probability")
        ax.legend()
        return ax
    doubt = entr(r).sum(axis=1) / np.log(max(2, spec.n_components))
    colours = np.array([to_rgb(cluster_colour(k)) for k in range(spec.n_components)])
    order = np.argsort(doubt)  # uncertain points on top
    x, y = data.values[np.ix_(order, places)].T
    ax.scatter(
        x,
        y,
        s=14 + 90 * doubt[order],
        c=np.clip(r @ colours, 0, 1)[order],
        edgecolors=[(*to_rgb(INK), d) for d in doubt[order]],
        linewidths=1,
    )
    ax.set_ylabel(lettering(data.features[places[1]]))
    if named is not None:
        handles = [Line2D([], [], marker="o", ls="", color=cluster_colour(k)) for k in range(len(called))]
        ax.legend(handles, list(map(lettering, called)), fontsize="small")
    return ax
