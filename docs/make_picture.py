"""Draw the README's picture: Old Faithful, its two clusters, and what the posterior leaves open."""

from pathlib import Path

import matplotlib.pyplot as plt

import mixtures as mx


def main() -> None:
    """Crosscheck and draw."""
    X = mx.datasets.faithful()
    cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
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
    figure.savefig(Path(__file__).parent / "images" / "faithful.png", dpi=130)


if __name__ == "__main__":
    main()
