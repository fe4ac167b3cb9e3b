"""Draw the README's picture: Old Faithful, its two clusters, and what the posterior leaves open."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

import mixtures as mx

COLOURS = ("#0072B2", "#D55E00")  # Okabe and Ito: safe for colour-blind readers


def ellipse(mean: np.ndarray, cov: np.ndarray, sds: float, **style: object) -> Ellipse:
    """Ellipse of a Gaussian at ``sds`` standard deviations."""
    values, vectors = np.linalg.eigh(cov)
    angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
    width, height = 2 * sds * np.sqrt(values[::-1])
    return Ellipse(mean, width, height, angle=angle, **style)


def main() -> None:
    """Crosscheck and draw."""
    X = mx.datasets.faithful()
    cc = mx.crosscheck(mx.GMM(2), X, random_seed=1, progressbar=False)
    draws = cc.posterior["posterior"].to_dataset().stack(sample=("chain", "draw"))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=(1.4, 1), layout="constrained")

    responsibility = cc.em.spec.responsibilities(X, cc.em.params)
    left.scatter(
        *X.to_numpy().T, s=12, c=[COLOURS[k] for k in responsibility.argmax(axis=1)], alpha=0.7, lw=0
    )
    rng = np.random.default_rng(1)
    for k, colour in enumerate(COLOURS):
        for s in rng.choice(draws.sizes["sample"], 60, replace=False):
            one = draws.isel(sample=s, cluster=k)
            left.add_patch(ellipse(one.mu.values, one.Sigma.values, 2, fill=False, ec=colour, alpha=0.12))
        left.add_patch(
            ellipse(cc.em.params["mu"][k], cc.em.params["Sigma"][k], 2, fill=False, ec=colour, lw=2)
        )
    left.set(xlabel="eruption (minutes)", ylabel="waiting (minutes)")
    left.set_title("EM's clusters at 2 sd, and 60 posterior draws of each", fontsize=10)

    right.hist(draws.alpha.isel(cluster=0), bins=60, density=True, color=COLOURS[0], alpha=0.45)
    right.axvline(cc.em.params["alpha"][0], color="black", lw=2, label="EM")
    right.axvline(cc.mode.params["alpha"][0], color="white", lw=2, ls=":", label="MAP")
    right.set(xlabel="weight of the long eruptions, alpha[0]", ylabel="posterior density")
    right.set_title("EM and MAP agree; the posterior says how sure", fontsize=10)
    right.legend(frameon=True, facecolor="#cccccc")
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).parent / "images" / "faithful.png", dpi=130)


if __name__ == "__main__":
    main()
