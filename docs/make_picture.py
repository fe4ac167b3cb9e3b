"""Draw the pictures of the README and of the landing page: ``python docs/make_picture.py``."""

from pathlib import Path

import matplotlib.pyplot as plt

import mixtures as mx
from mixtures.results.crosscheck import Crosscheck

IMAGES = Path(__file__).parent / "images"


def faithful(cc: Crosscheck, X: object) -> plt.Figure:
    """Draw Old Faithful, its two clusters, and what the posterior leaves open."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.9), width_ratios=(1.2, 1.2, 1), layout="constrained")
    left, middle, right = axes

    mx.plot.clusters(cc.em, X, ax=left)
    left.set_title("EM and MAP: one point, found twice", fontsize=10)
    mx.plot.clusters(cc, ax=middle)
    middle.set_title("posterior: 50 draws of each cluster, at 2 sd", fontsize=10)
    for ax in (left, middle):
        ax.set(xlabel="eruption (minutes)", ylabel="waiting (minutes)", xlim=(0.9, 6), ylim=(30, 105))

    weight = cc.posterior["posterior"]["alpha"].isel(cluster=0).values.ravel()
    right.hist(weight, bins=60, density=True, color=mx.plot.cluster_colour(0), alpha=0.6)
    right.axvline(cc.em.params["alpha"][0], color="black", lw=2, label="EM")
    right.axvline(cc.mode.params["alpha"][0], color="white", lw=2, ls=":", label="MAP")
    right.set(xlabel="weight of the long eruptions, alpha[0]", ylabel="posterior density")
    right.set_title("how sure the weight is", fontsize=10)
    right.legend(frameon=True, facecolor="#cccccc")
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def agreement(cc: Crosscheck) -> plt.Figure:
    """Draw EM, MAP and posterior of every parameter, in posterior standard deviations."""
    table = cc.table.iloc[::-1]
    lower, upper, em, mode = (
        (table[name] - table["mean"]) / table["sd"] for name in ("2.5%", "97.5%", "EM", "MAP")
    )
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    ax.hlines(
        table.index, lower, upper, color=mx.plot.cluster_colour(0), lw=5, alpha=0.4, label="posterior, 95%"
    )
    ax.plot(em, table.index, "o", color="black", mfc="none", ms=9, label="EM (NumPy)")
    ax.plot(mode, table.index, "x", color="black", ms=5, label="MAP (PyMC)")
    ax.set(xlim=(-2.6, 4.4), xticks=range(-2, 3))
    for label, gap in table["gap"].items():
        ax.text(2.75, label, f"gap {gap:.0e} sd", va="center", fontsize=8)
    ax.set_xlabel("distance from the posterior mean, in posterior standard deviations")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def digits() -> plt.Figure:
    """Draw the pixels' probabilities in ten clusters of handwritten digits."""
    spec, X = mx.BMM(10), mx.datasets.digits()
    em = mx.fit_em(spec, X, random_seed=1)
    figure, axes = plt.subplots(2, 5, figsize=(7, 3.2), layout="constrained")
    mx.plot.images(em.params, (8, 8), axes=axes)
    return figure


def selection(X: object) -> plt.Figure:
    """Draw the criteria of one to six clusters."""
    found = mx.select(mx.GMM(1), X, range(1, 7), criteria=("bic", "icl"), random_seed=1, progressbar=False)
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
    mx.plot.selection(found, axes=axes)
    return figure


def main() -> None:
    """Crosscheck and draw."""
    X = mx.datasets.faithful()
    cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
    pictures = {
        "faithful": faithful(cc, X),
        "agreement": agreement(cc),
        "digits": digits(),
        "selection": selection(X),
    }
    for name, figure in pictures.items():
        figure.savefig(IMAGES / f"{name}.png", dpi=130)


if __name__ == "__main__":
    main()
