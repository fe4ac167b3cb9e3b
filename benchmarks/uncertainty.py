"""Do the methods agree where they should? ``python -m benchmarks.uncertainty``: a few minutes.

Simulated, correctly specified, well separated data: the bootstrap, the observed
information, Laplace and NUTS must give every parameter the same sd within ten
per cent. Prints the sds as ratios to the information's, and exits with 1 if not.
"""

import sys

import arviz as az
import numpy as np

import mixtures as mx

N_ROWS, N_RESAMPLES, ENOUGH = 8000, 2000, 2000
LIMIT = 1.1

TRUTHS = {
    "GMM": (
        mx.GMM(2),
        {
            "alpha": np.array([0.6, 0.4]),
            "mu": np.array([[0.0, 0.0], [8.0, 4.0]]),
            "Sigma": np.array([[[1.0, 0.5], [0.5, 2.0]], [[2.0, -0.4], [-0.4, 1.0]]]),
        },
    ),
    "BMM": (
        mx.BMM(2),
        {"alpha": np.array([0.6, 0.4]), "p": np.linspace([0.1, 0.9], [0.3, 0.7], 10).T},
    ),
}


def main() -> None:
    """Compare both families."""
    agree = True
    for name, (spec, truth) in TRUTHS.items():
        X, _ = spec.sample(truth, N_ROWS, np.random.default_rng(1))
        result = mx.uncertainty(
            spec, X, n_resamples=N_RESAMPLES, draws=2500, random_seed=1, progressbar=sys.stderr.isatty()
        )
        sds = result.table.drop(columns=["EM"])
        ratios = sds.div(sds["information"], axis=0)
        held = ratios[["information", "laplace", "bootstrap", "nuts"]]
        apart = held.max(axis=1) / held.min(axis=1)
        posterior = result.trees["nuts"]["posterior"].to_dataset()[list(spec.dims)]
        ess = min(float(v.min()) for v in az.ess(posterior).data_vars.values())
        print(f"{name}: n={N_ROWS}, B={N_RESAMPLES}, smallest ESS {ess:.0f}; sds over the information's")
        print(ratios.round(3).to_string())
        print(f"furthest apart: {apart.max():.3f} ({apart.idxmax()})", *result.notes, "", sep="\n")
        agree &= bool(apart.max() < LIMIT) and ess >= ENOUGH
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
