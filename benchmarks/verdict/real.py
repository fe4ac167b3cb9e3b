"""Real data, fitted as they should be, and with one fault each that is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets

import mixtures as mx

Case = tuple[mx.GMM | mx.BMM, Any, dict[str, Any]]
"""Model, rows, and further arguments."""


def wine(*columns: str) -> Any:
    """Chemistry of 178 wines of three cultivars."""
    return datasets.load_wine(as_frame=True).data[list(columns) if columns else slice(None)]


def typed_wrong() -> Any:
    """Old Faithful, one wait of 79 minutes typed as 790."""
    X = mx.datasets.faithful()
    X.loc[0, "waiting"] = 790.0
    return X


def in_other_units() -> mx.GMM:
    """A prior for waits in hours, of a fit in minutes, that counts for two hundred rows."""
    prior = mx.priors.NormalInverseWishart(mean=[3.5, 1.2], kappa=200.0, nu=200.0, Psi=np.diag([50.0, 0.01]))
    return mx.GMM(2, prior=prior)


SOUND: tuple[Callable[[], Case], ...] = (
    lambda: (mx.GMM(2), mx.datasets.faithful(), {}),
    lambda: (mx.GMM(2, covariance_type="tied"), mx.datasets.faithful(), {}),
    lambda: (mx.GMM(2), mx.datasets.faithful()[["waiting"]], {}),
    lambda: (mx.GMM(2), mx.datasets.faithful()[["eruptions"]], {}),
    lambda: (mx.GMM(2), mx.datasets.faithful()[::2], {}),
    lambda: (mx.GMM(2), mx.datasets.faithful()[1::2], {}),
    lambda: (mx.GMM(2), mx.datasets.faithful() * [60, 60], {}),
    lambda: (mx.GMM(3, covariance_type="diag"), wine("alcohol", "flavanoids"), {}),
)
"""Old Faithful, whole, in part and in other units, and wines of three cultivars by two columns."""

FAULTY: tuple[Callable[[], Case], ...] = (
    lambda: (mx.GMM(2), typed_wrong(), {}),
    lambda: (mx.GMM(4), mx.datasets.faithful(), {}),
    lambda: (mx.GMM(2), (mx.datasets.faithful() / [2, 20]).round() * [2, 20], {}),
    lambda: (mx.GMM(2), mx.datasets.faithful(), {"draws": 30, "tune": 100, "chains": 2}),
    lambda: (in_other_units(), mx.datasets.faithful(), {}),
    lambda: (mx.BMM(2), (mx.datasets.faithful() > mx.datasets.faithful().mean()) * 1.0, {}),
    lambda: (mx.GMM(6), datasets.load_iris(as_frame=True).data, {}),
    lambda: (mx.GMM(3), datasets.load_iris(as_frame=True).data, {}),
    lambda: (mx.GMM(3), wine(), {}),
    lambda: (mx.GMM(2), datasets.load_breast_cancer(as_frame=True).data.iloc[:, :5], {}),
    lambda: (mx.GMM(2), datasets.load_diabetes(as_frame=True, scaled=False).data[["bmi", "bp"]], {}),
    lambda: (mx.GMM(3), datasets.load_linnerud(as_frame=True).data, {}),
)
"""A typing error, too many clusters, rounding, too few draws, a prior in other units, two coins; six and
three full covariances for iris, three for 13 columns of wine, skewed cells, one cloud, and twenty rows."""
