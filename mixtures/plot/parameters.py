"""Forest plots of EM, MAP and posterior."""

from collections.abc import Mapping, Sequence
from typing import Any

import arviz as az
import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.colors import to_hex

from mixtures.errors import InputError
from mixtures.given import names_of, posterior_of
from mixtures.messages import shortened
from mixtures.plot.levels import itemised, triangles
from mixtures.plot.style import INK, lettering
from mixtures.results.crosscheck import Crosscheck
from mixtures.results.em import EMFit
from mixtures.results.map import MAPFit
from mixtures.trees import feature_dims

__all__ = ["forest"]

GREY = "#717581"
"""Colour of the posterior in a forest plot; others would be mistaken for clusters."""


POINT_MARKERS, SAMPLE_MARKERS = {"EM": "*", "MAP": "D"}, "os^vPXdph"
"""Markers of points and of samples in a forest plot."""


QUANTILES = 1000
"""Number of quantiles that represent a sample in a forest plot, which shows only marginals."""


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
    called = None if isinstance(em, Crosscheck) and em.em is None else names_of(em)  # of a model's own dims
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
