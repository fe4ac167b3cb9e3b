"""Heat maps of parameters by cluster and feature, and forest plots of EM, MAP and posterior."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, to_hex

from mixtures.errors import InputError
from mixtures.given import Fit, Parameters, given, names_of, posterior_of
from mixtures.messages import shortened
from mixtures.plot.levels import ITEM, itemised, triangles
from mixtures.plot.style import INK, ON_DARK, ON_LIGHT, axes_or_new, cluster_colour, lettering
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.trees import feature_dims
from mixtures.types import Array

__all__ = ["forest", "heatmap", "images"]

GREY = "#717581"
"""Colour of the posterior in a forest plot; others would be mistaken for clusters."""


POINT_MARKERS, SAMPLE_MARKERS = {"EM": "*", "MAP": "D"}, "os^vPXdph"
"""Markers of points and of samples in a forest plot."""


QUANTILES = 1000
"""Number of quantiles that represent a sample in a forest plot, which shows only marginals."""


WRITTEN = 80
"""Largest number of cells of a heat map whose values are written in, in a quarter as many columns at most."""


WITH_SDS = 12
"""Largest number of columns of a heat map in whose cells standard deviations fit."""


NAMED = 40
"""Largest number of columns of a heat map whose names stand below it."""


def heatmap(
    params: Parameters | Fit,
    name: str = "p",
    *,
    features: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a parameter of every cluster and feature as a heat map.

    Parameters
    ----------
    params : dict of ndarray, EMFit, MAPFit, Crosscheck or xarray.DataTree
        Parameters, or a fit; of an aligned posterior sample, or a crosscheck with one, means, with standard
        deviations where there is room.
    name : str, default "p"
        A parameter with dims (cluster, feature), or (cluster, feature, category).
    features : sequence of str, optional
        Names of the features; a fit and a sample have them already.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes
        The axes drawn on.

    Raises
    ------
    InputError
        If there is no such parameter.

    Examples
    --------
    >>> import mixtures as mx
    >>> ax = mx.plot.heatmap({"alpha": [0.4, 0.6], "p": [[0.2, 0.9], [0.7, 0.1]]})
    >>> [text.get_text() for text in ax.texts]
    ['0.20', '0.90', '0.70', '0.10']
    """
    mean, sd, known = _mean_and_sd(params, name)
    ax = axes_or_new(ax)
    scale = _scale(mean)
    image = ax.imshow(mean, norm=scale, cmap="cividis", aspect="auto")
    _name_scale(plt.colorbar(image, ax=ax), name)
    names = [lettering(feature) for feature in (features if features is not None else known)]
    ax.set(xlabel="feature", ylabel="cluster")
    called = names_of(params)
    ax.set_yticks(range(len(mean)), None if called is None else map(lettering, called))
    for tick, k in zip(ax.get_yticklabels(), range(len(mean)), strict=True):
        tick.set(color=cluster_colour(k), weight="bold")
    few = len(names) <= WRITTEN / 4  # so that figures fit beside each other
    if few or len(names) <= NAMED:
        ax.set_xticks(range(len(names)), names, rotation=0 if few and len("".join(names)) < 60 else 90)
    if few and mean.size <= WRITTEN:
        for (k, d), value in np.ndenumerate(mean):
            beside = "" if sd is None or len(names) > WITH_SDS else f"\n± {sd[k, d]:.2f}"
            colour = ON_DARK if scale(value) < 0.5 else ON_LIGHT
            ax.text(d, k, f"{value:.2f}{beside}", ha="center", va="center", color=colour, fontsize="small")
    return ax


def _name_scale(bar: Colorbar, label: str) -> None:
    """Name a colour bar: sideways, but for a letter or two, which stay level."""
    if len(label) > 2:
        bar.set_label(label)
    else:
        bar.set_label(label, rotation=0, labelpad=10)


def images(
    params: Parameters | Fit,
    shape: tuple[int, int],
    name: str = "p",
    *,
    axes: Any = None,
) -> np.ndarray:
    """Draw a parameter of every cluster as an image: features are pixels, row by row.

    Parameters
    ----------
    params : dict of ndarray, EMFit, MAPFit, Crosscheck or xarray.DataTree
        Parameters, or a fit; of an aligned posterior sample, or a crosscheck with one, means, and below them
        their posterior standard deviations.
    shape : tuple of int
        Rows and columns of pixels.
    name : str, default "p"
        A parameter with dims (cluster, feature), or (cluster, feature, category).
    axes : array of matplotlib.axes.Axes, shape (1 or 2, K), optional
        Where to draw: two rows for a sample; a new figure by default.

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (1 or 2, K)
        The axes drawn on.

    Raises
    ------
    InputError
        If the numbers of pixels and features differ, or the axes do not fit.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.digits()
    >>> em = mx.fit_em(mx.BMM(10), X, n_init=2, random_seed=1)
    >>> mx.plot.images(em, (8, 8)).shape
    (1, 10)
    """
    mean, sd, _ = _mean_and_sd(params, name)
    k, d = mean.shape
    if shape[0] * shape[1] != d:
        raise InputError(f"{shape[0]} x {shape[1]} pixels are not the {d} features of {name}")
    rows = 1 if sd is None else 2
    if axes is None:
        axes = plt.subplots(
            rows, k, figsize=(1.0 * k + 1, 1.15 * rows + 0.3), layout="constrained", squeeze=False
        )[1]
    axes = np.asarray(axes, dtype=object).reshape(-1, k)
    if len(axes) != rows:
        raise InputError(f"axes must be {rows} rows of {k}, got {axes.shape}")
    called = names_of(params)
    for row, (values, label) in enumerate([(mean, name), (sd, f"sd of {name}")][:rows]):
        assert values is not None  # a second row is there only for a sample
        scale = _scale(values) if row == 0 else Normalize(0, values.max())
        for i, ax in enumerate(axes[row]):
            ax.imshow(values[i].reshape(shape), norm=scale, cmap="cividis")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=cluster_colour(i), linewidth=3, visible=True)
            if row == 0:
                ax.set_title(str(i) if called is None else lettering(called[i]), fontsize="medium", color=INK)
        mappable = ScalarMappable(scale, "cividis")
        _name_scale(plt.colorbar(mappable, ax=list(axes[row]), shrink=0.9, pad=0.01), label)
    return axes


@overload
def forest(
    em: EMFit | None,
    mode: MAPFit | None,
    posterior: xr.DataTree | Mapping[str, xr.DataTree],
    *,
    var_names: Sequence[str] | None = None,
    standardise: bool = True,
) -> Any: ...


@overload
def forest(
    cc: Crosscheck,
    /,
    *,
    var_names: Sequence[str] | None = None,
    standardise: bool = True,
) -> Any: ...


def forest(
    em: EMFit | Crosscheck | None,
    mode: MAPFit | None = None,
    posterior: xr.DataTree | Mapping[str, xr.DataTree] | None = None,
    *,
    var_names: Sequence[str] | None = None,
    standardise: bool = True,
) -> Any:
    """Draw EM, MAP and posterior intervals of every parameter in one forest plot, with ArviZ.

    Parameters
    ----------
    em : EMFit, Crosscheck or None
        What `fit_em` returned; or what `crosscheck` returned, which holds all three.
    mode : MAPFit or None
        What `fit_map` returned.
    posterior : xarray.DataTree or dict of xarray.DataTree
        Aligned posterior sample; or several samples by name, such as the trees
        of `mixtures.uncertainty`, to compare.
    var_names : sequence of str, optional
        Parameters to draw; by default all that they have in common.
    standardise : bool, default True
        Draw parameters in standard deviations from the mean, of the posterior or of
        the last of several samples, so that all scales can be read; otherwise in
        their own units.

    Returns
    -------
    arviz.PlotCollection
        ArviZ's record of the figure; the figure itself is ``.viz["figure"].item()``.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
    >>> picture = mx.plot.forest(cc, var_names=["mu"])
    >>> picture.viz["figure"].item().savefig("mu.svg")  # doctest: +SKIP
    """
    called = names_of(em)
    if isinstance(em, Crosscheck):
        posterior, mode, em = posterior_of(em), em.mode, em.em
    if posterior is None:
        raise InputError("posterior is missing: give a sample, or what crosscheck returned in place of em")
    samples = {"posterior": posterior} if isinstance(posterior, xr.DataTree) else dict(posterior)
    if not samples:
        raise InputError("there is no sample to draw")
    points = {name: fit.to_datatree() for name, fit in {"EM": em, "MAP": mode}.items() if fit is not None}
    drawn = {name: tree["posterior"].to_dataset() for name, tree in {**points, **samples}.items()}
    reference = list(drawn)[-1]
    names = list(var_names or [str(v) for v in drawn[reference] if all(v in x for x in drawn.values())])
    _check_alike(drawn, names)
    drawn = {name: itemised(x, drawn[reference]) for name, x in drawn.items()}
    drawn = {name: triangles(_one_kind(x[names])) for name, x in drawn.items()}
    if called is not None:
        drawn = {name: x.assign_coords(cluster=list(called)) for name, x in drawn.items()}
    if standardise:
        mean, sd = drawn[reference].mean(("chain", "draw")), drawn[reference].std(("chain", "draw"))
        width = sd.where(sd > 0, 1)  # the weight of one cluster is 1 in every draw
        drawn = {name: (x - mean) / width for name, x in drawn.items()}
    trees = {
        name: xr.DataTree.from_dict({"posterior": _lettered(_marginals(x[names]))})
        for name, x in drawn.items()
    }
    rows = sum(int(np.prod(drawn[reference][name].shape[2:])) for name in names)
    height = 1.2 + rows * (0.15 + 0.06 * len(trees))
    picture = az.plot_forest(
        trees,
        combined=True,
        ci_kind="eti",
        ci_probs=(0.5, 0.95),
        aes={"color": ["model"], "marker": ["model"]},
        color=[INK] * len(points) + _shades(len(samples)),
        marker=[POINT_MARKERS[name] for name in points] + list(SAMPLE_MARKERS[: len(samples)]),
        aes_by_visuals={
            "point_estimate": ["y", "color", "marker"],
            "credible_interval": ["y", "color"],
        },
        figure_kwargs={"figsize": (9, height), "width_ratios": [1.3, 2]},
    )
    picture.add_legend("model", title="", ncols=len(trees), loc="upper right")
    _fill_height(picture, height)
    unit = f"{reference} sds from the {reference} mean" if standardise else "value"
    picture.viz["plot"].sel(column="forest").item().set_xlabel(f"{unit} (intervals: 50% and 95%)")
    return picture


def _check_alike(drawn: Mapping[str, xr.Dataset], names: Sequence[str]) -> None:
    """Refuse samples of other clusters or features: only their common entries would be drawn."""
    (first, one), *rest = drawn.items()
    for other, x in rest:
        for dim in dict.fromkeys(str(dim) for name in names for dim in one[name].dims[2:]):
            a, b = (
                [str(label) for label in each[dim].values] if dim in each.dims else [] for each in (one, x)
            )
            if set(a) != set(b):
                raise InputError(
                    f"{first} is of {dim} {shortened(a)}, {other} of {shortened(b)}; a forest needs fits and "
                    "samples of the same model and columns"
                )


def _one_kind(sample: xr.Dataset) -> xr.Dataset:
    """The sample with features called features, where all are of one kind of columns."""
    kinds = {dim.removesuffix("_bis") for dim in feature_dims(sample.dims)}
    if len(kinds) != 1:
        return sample
    (kind,) = kinds
    return sample.rename({dim: "feature" + dim.removeprefix(kind) for dim in feature_dims(sample.dims)})


def _fill_height(picture: Any, height: float) -> None:
    """Spread rows from top to bottom: ArviZ leaves much of the height blank if there are many."""
    picture.viz["figure"].item().subplots_adjust(
        left=0.07, right=0.97, bottom=0.6 / height, top=1 - 0.5 / height
    )
    axes = [picture.viz["plot"].sel(column=column).item() for column in ("labels", "forest")]
    lowest, highest = axes[1].dataLim.intervaly
    for ax in axes:
        ax.set_ylim(lowest - 0.5, highest + 0.5)


def _marginals(sample: xr.Dataset) -> xr.Dataset:
    """Replace draws by quantiles, the same number for every sample, as ArviZ needs to combine them."""
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    marginals = sample.quantile(levels, ("chain", "draw")).rename(quantile="draw")
    return marginals.assign_coords(draw=np.arange(QUANTILES)).expand_dims(chain=[0])


def _lettered(sample: xr.Dataset) -> xr.Dataset:
    """The sample with the names of features as they are displayed."""
    texts = {d: x for d, x in sample.coords.items() if x.dtype.kind in "OUT" and d in sample.dims}
    return sample.assign_coords({d: [lettering(name) for name in x.values] for d, x in texts.items()})


def _shades(n: int) -> list[str]:
    """Grey for one sample; for several, colours that no cluster has."""
    return [GREY] if n == 1 else [to_hex(c) for c in colormaps["cividis"](np.linspace(0, 0.85, n))]


def _mean_and_sd(params: Parameters | Fit, name: str) -> tuple[Array, Array | None, list[str]]:
    """A parameter (K, D), its posterior sd from a sample, and the names of its features."""
    features: Sequence[str] | None = None
    point = params.em if isinstance(params, Crosscheck) and params.posterior is None else params
    if isinstance(point, EMFit | MAPFit) and np.ndim(point.params.get(name, 0)) > 2:  # of categories
        mean, _, items = _mean_and_sd(point.to_datatree(), name)
        return mean, None, items
    if isinstance(params, EMFit | MAPFit | Crosscheck):
        found = given(params)
        params, features = found.params, found.features
    holder = params["posterior"] if isinstance(params, xr.DataTree) else params
    if name not in holder:
        raise InputError(f"there is no parameter {name!r}; there are {', '.join(map(str, holder))}")
    if not isinstance(params, xr.DataTree):
        mean = np.asarray(params[name], dtype=np.float64)
        if mean.ndim != 2:
            raise InputError(f"{name} has shape {mean.shape}; a picture needs (clusters, features)")
        named = features is not None and len(features) == mean.shape[1]
        return mean, None, list(features) if named and features else [str(d) for d in range(mean.shape[1])]
    drawn = itemised(params["posterior"].to_dataset())[name]
    last = ITEM if ITEM in drawn.dims else next(iter(feature_dims(drawn.dims)), "feature")
    if set(drawn.dims) != {"chain", "draw", "cluster", last}:
        raise InputError(f"{name} has dims {drawn.dims}; a picture needs cluster and feature")
    drawn = drawn.transpose("chain", "draw", "cluster", last)
    mean, sd = (f(("chain", "draw")).values for f in (drawn.mean, drawn.std))
    return mean, sd, [str(f) for f in drawn[last].values]


def _scale(values: Array) -> Normalize:
    """Scale from 0 to 1 for probabilities, and the range of the values for anything else."""
    inside = values.min() >= 0 and values.max() <= 1
    return Normalize(0, 1) if inside else Normalize(values.min(), values.max())
