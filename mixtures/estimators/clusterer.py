"""A mixture as an estimator of scikit-learn, for pipelines, searches and whatever else takes one.

It holds a specification and the options of `fit_em`, and nothing of its own: what it fits is an
`EMFit`, and what it predicts are that fit's responsibilities and log-likelihoods.
"""

from dataclasses import fields, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from mixtures.arguments import check_kind, check_whole, generator
from mixtures.data.reading import INTEGRATE
from mixtures.data.table import Data, chunks
from mixtures.em.fit import fit_em
from mixtures.errors import InputError
from mixtures.families.assignment import refuse_unassigned, share_out
from mixtures.families.mixture import Mixture
from mixtures.results.em import EMFit
from mixtures.tolerances import TOLERANCES
from mixtures.types import Array

__all__ = ["MixtureClusterer"]

OF_SPEC = "spec__"
"""Prefix of the specification's own parameters, as scikit-learn names those of a nested estimator."""


class MixtureClusterer(ClusterMixin, BaseEstimator):
    """A mixture fitted by EM, as a clusterer of scikit-learn.

    The parameters of the model are those of the estimator too, with the prefix ``spec__``:
    ``spec__n_components``, ``spec__covariance_type``, ``spec__prior``. A grid search can vary
    them, and compares the models by the mean log-likelihood of the rows held out.

    Rows are checked by scikit-learn's rules: a frame must have the columns of the fit in their
    order, and a missing cell is refused unless ``missing="integrate"``. The cells of an `LCA` are
    levels, which may be text: its rows are read as `fit_em` reads them.

    Parameters
    ----------
    spec : Mixture
        The model, such as ``GMM(2)``.
    n_init : int, default 10
        Number of starts of EM.
    random_state : int, numpy.random.RandomState, numpy.random.Generator or None, optional
        Seed of the starts, and of `sample`.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out.
    accelerate : {"auto", None, "newton", "squarem"}, default "auto"
        Jumps ahead of EM, as in `fit_em`.
    tol : float, default 1e-6
        Distance to the limit at which EM stops, in standard deviations.
    max_iter : int, default 10000
        Iterations a start may take.

    Attributes
    ----------
    em_ : EMFit
        The fit; every function of the package that takes one takes it.
    labels_ : ndarray of int, shape (n,)
        The most probable cluster of every row fitted; clusters are numbered by size, the largest first.
    n_iter_ : int
        Iterations of the best start.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str, shape (D,)
        Names of the columns, if the rows fitted had some.

    See Also
    --------
    fit_em : The same fit, with all its options.
    to_sklearn : A fit as scikit-learn's own `sklearn.mixture.GaussianMixture`.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> clusterer = mx.MixtureClusterer(mx.GMM(2), random_state=1).fit(X)
    >>> clusterer.predict(X[:5]).tolist()
    [0, 1, 0, 1, 0]

    The number of clusters and their shape by cross-validation:

    >>> from sklearn.model_selection import GridSearchCV
    >>> grid = {"spec__n_components": [1, 2], "spec__covariance_type": ["full", "tied"]}
    >>> search = GridSearchCV(clusterer, grid, cv=3).fit(X)
    >>> search.best_params_["spec__n_components"]
    2
    """

    em_: EMFit
    labels_: np.ndarray
    n_iter_: int

    def __init__(
        self,
        spec: Mixture,
        *,
        n_init: int = 10,
        random_state: Any = None,
        missing: str | None = None,
        accelerate: str | None = "auto",
        tol: float = TOLERANCES.em_step,
        max_iter: int = 10_000,
    ) -> None:
        self.spec = spec
        self.n_init = n_init
        self.random_state = random_state
        self.missing = missing
        self.accelerate = accelerate
        self.tol = tol
        self.max_iter = max_iter

    # Parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; with ``deep`` those of the model too, such as ``spec__n_components``."""
        params: dict[str, Any] = super().get_params(deep=deep)
        return params | self._of_spec() if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; those of the model make another model, checked as a new one is."""
        inner = {name: value for name, value in params.items() if name.startswith(OF_SPEC)}
        super().set_params(**{name: value for name, value in params.items() if name not in inner})
        known = self._of_spec()
        if unknown := [name for name in inner if name not in known]:
            raise InputError(
                f"{unknown[0]} is not a parameter of {self.spec!r:.80}; it has {', '.join(known) or 'none'}"
            )
        if inner:
            own = {name.removeprefix(OF_SPEC): value for name, value in inner.items()}
            self.spec = replace(self.spec, **own)
        return self

    def _of_spec(self) -> dict[str, Any]:
        """Parameters of the specification, with the prefix of their names."""
        if not isinstance(self.spec, Mixture):
            return {}
        return {f"{OF_SPEC}{each.name}": getattr(self.spec, each.name) for each in fields(self.spec)}

    def __sklearn_tags__(self) -> Tags:
        """What the rows may be."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == INTEGRATE
        categories = isinstance(self.spec, Mixture) and self.spec.family.takes_categories
        tags.input_tags.categorical = tags.input_tags.string = categories
        return tags

    # Fitting

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit the model by EM.

        Parameters
        ----------
        X : array_like or frame, shape (n, D)
            The rows.
        y : None
            Not used.
        sample_weight : array_like, shape (n,), optional
            Frequency weights, by position: a row of weight 2 counts as two rows.

        Returns
        -------
        MixtureClusterer
            Itself.
        """
        check_kind(Mixture, "a model such as GMM(2)", spec=self.spec)
        rows = self._rows(X, reset=True)
        self.em_ = fit_em(
            self.spec,
            rows,
            n_init=self.n_init,
            random_seed=_seed(self.random_state),
            weights=None if sample_weight is None else np.asarray(sample_weight),
            missing=self.missing,
            accelerate=self.accelerate,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        self.n_iter_ = max(1, self.em_.n_iter)
        self.labels_ = self._shares(rows).argmax(axis=1)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> np.ndarray:
        """Fit the model, and return the most probable cluster of every row."""
        return self.fit(X, y, sample_weight).labels_

    # The fit

    def predict(self, X: Any) -> np.ndarray:
        """Most probable cluster of every row, shape (n,)."""
        return np.asarray(self.predict_proba(X).argmax(axis=1))

    def predict_proba(self, X: Any) -> Array:
        """Posterior probability of every cluster for every row, shape (n, K)."""
        check_is_fitted(self)
        return self._shares(self._rows(X))

    def score_samples(self, X: Any) -> Array:
        """Log-likelihood of every row, shape (n,)."""
        check_is_fitted(self)
        _, log_joint = self._log_joint(self._rows(X))
        return np.asarray(logsumexp(log_joint, axis=0))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log-likelihood of a row, by which a search compares models."""
        return float(np.average(self.score_samples(X), weights=sample_weight))

    def aic(self, X: Any) -> float:
        """Akaike's criterion, lower is better: ``-2 log L + 2 p``, with p free parameters."""
        each = self.score_samples(X)
        return float(-2 * each.sum() + 2 * self._n_parameters())

    def bic(self, X: Any) -> float:
        """The Bayesian information criterion, lower is better: ``-2 log L + p log n``."""
        each = self.score_samples(X)
        return float(-2 * each.sum() + self._n_parameters() * np.log(len(each)))

    def sample(self, n_samples: int = 1) -> tuple[Array, np.ndarray]:
        """Draw rows (n, D) from the fit, and their clusters (n,).

        Levels of an `LCA` are codes 0, 1, ...; counts with an exposure are those at an exposure of 1.
        """
        check_is_fitted(self)
        check_whole(1, n_samples=n_samples)
        return self.em_.spec.sample(self.em_.params, n_samples, generator(_seed(self.random_state)))

    def _n_parameters(self) -> int:
        return self.em_.spec.parameter_count(self.n_features_in_)

    def _rows(self, X: Any, *, reset: bool = False) -> Any:
        """Rows checked by scikit-learn, with the names of their columns if they have some."""
        if self.spec.family.takes_categories:  # levels, which need not be numbers
            validate_data(self, X, skip_check_array=True, reset=reset)
            return X
        finite = "allow-nan" if self.missing == INTEGRATE else True
        least = 2 if reset else 1
        how = {"ensure_all_finite": finite, "ensure_min_samples": least, "reset": reset}
        values = validate_data(self, X, dtype=np.float64, **how)
        names = getattr(self, "feature_names_in_", None)
        return values if names is None else pd.DataFrame(values, columns=names)

    def _log_joint(self, rows: Any) -> tuple[Data, Array]:
        """Checked rows, and log Pr(x_i, z_i = k), shape (K, n)."""
        spec = self.em_.spec
        data = spec.read(rows, missing=self.missing)
        of_chunk = spec.log_joint(self.em_.params)
        log_joint = np.empty((spec.n_components, data.n_rows))
        for place, chunk in chunks(data, spec.n_components):
            log_joint[:, place] = of_chunk(chunk)
        return data, log_joint

    def _shares(self, rows: Any) -> Array:
        data, log_joint = self._log_joint(rows)
        r = share_out(log_joint)
        refuse_unassigned(data, r, log_joint)
        return r.T


def _seed(random_state: Any) -> Any:
    """Seed as `fit_em` takes it; an old generator of NumPy draws one."""
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    return random_state
