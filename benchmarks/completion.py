"""Do the intervals of ``complete`` hold the cells? ``python -m benchmarks.completion``: about ten minutes.

Data sets are simulated from a mixture, a fifth of their cells are removed at random, a posterior
sample is drawn with the missing cells integrated out, and the 90 % intervals that `complete` gives from
it are compared with the cells that were removed. Exits with 1 if fewer than 88 % or more than 92 % of
them are inside. ``--sets N`` simulates N data sets of each kind.
"""

import argparse
import sys
from collections.abc import Iterator

import numpy as np

import mixtures as mx

LEVEL, LOWEST, HIGHEST = 0.9, 0.88, 0.92
N_ROWS, SHARE = 150, 0.2

TRUTHS = {
    "GMM, full": (
        mx.GMM(2),
        {
            "alpha": np.array([0.6, 0.4]),
            "mu": np.array([[0.0, 0.0, 0.0], [4.0, 3.0, -2.0]]),
            "Sigma": np.array(
                [
                    [[1.0, 0.6, 0.3], [0.6, 1.0, 0.2], [0.3, 0.2, 1.0]],
                    [[1.5, -0.5, 0.0], [-0.5, 1.0, 0.4], [0.0, 0.4, 0.8]],
                ]
            ),
        },
    ),
    "GMM, diag": (
        mx.GMM(2, covariance_type="diag"),
        {
            "alpha": np.array([0.5, 0.5]),
            "mu": np.array([[0.0, 0.0, 0.0], [3.0, 3.0, 3.0]]),
            "sigma2": np.array([[1.0, 1.0, 2.0], [1.0, 0.5, 1.0]]),
        },
    ),
}


def removed_at_random(spec: mx.GMM, truth: dict[str, np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the model, and the same with a share of their cells missing."""
    rng = np.random.default_rng(seed)
    whole, _ = spec.sample(truth, N_ROWS, rng)
    return whole, np.where(rng.random(whole.shape) < SHARE, np.nan, whole)


def covered(spec: mx.GMM, truth: dict[str, np.ndarray], n_sets: int) -> Iterator[np.ndarray]:
    """Which of the removed cells the intervals hold, a data set at a time."""
    for seed in range(n_sets):
        whole, X = removed_at_random(spec, truth, seed)
        tree = mx.sample(spec, X, missing="integrate", draws=250, random_seed=seed, progressbar=False)
        cells = mx.complete(spec, X, tree, ci_prob=LEVEL).cells
        removed = whole[np.isnan(X)]
        yield (removed >= cells["lower"].to_numpy()) & (removed <= cells["upper"].to_numpy())


def main() -> None:
    """Compare both covariance structures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", type=int, default=40, help="data sets of each kind (default 40)")
    n_sets = parser.parse_args().sets
    holds = True
    for name, (spec, truth) in TRUTHS.items():
        each = list(covered(spec, truth, n_sets))
        inside = np.concatenate(each).mean()
        shares = np.array([one.mean() for one in each])
        error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
        cells = sum(map(len, each))
        print(f"{name}: {inside:.1%} of {cells:,} cells in {n_sets} data sets (se {error:.1%})", flush=True)
        holds &= LOWEST <= inside <= HIGHEST
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
