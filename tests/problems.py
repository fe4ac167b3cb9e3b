"""Random problems for property tests: awkward data of every kind, and priors to go with them."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from mixtures import GMM, InputError, priors
from mixtures.data.reading import as_data


@dataclass(frozen=True)
class Recipe:
    """How rows are made; small enough to read when a test fails."""

    seed: int
    n_components: int
    extra_rows: int
    n_features: int = 2
    apart: float = 3.0
    log_tight: float = 0.0
    """Clusters' sd over their distance, base 10."""
    log_condition: float = 0.0
    """Condition number of the clusters' covariance, base 10."""
    log_scales: tuple[float, ...] = (0.0,)
    """Units of the columns, base 10, repeated in turn."""
    log_offset: float = -np.inf
    """Distance from the origin in sds of the column, base 10."""
    discrete: bool = False
    """Whether the first column is rounded to whole numbers."""
    repeats: int = 0
    """Rows that are copies of the first ones."""
    outliers: int = 0
    log_far: float = 3.0
    """How far outliers lie, in sds, base 10."""

    @property
    def n_rows(self):
        return self.n_components + self.extra_rows

    def rows(self):
        """Real rows (n, D), the columns in their units."""
        rng = np.random.default_rng(self.seed)
        n, k, d = self.n_rows, self.n_components, self.n_features
        z = rng.permutation(np.arange(n) % k)
        axes = np.linalg.qr(rng.normal(size=(k, d, d)))[0]
        widths = 10 ** np.linspace(0, -self.log_condition / 2, d)
        noise = np.einsum("nde,ne->nd", axes[z] * widths, rng.normal(size=(n, d)))
        X = self.apart * rng.normal(size=(k, d))[z] + 10**self.log_tight * noise
        if self.outliers:
            far = rng.choice(n, min(self.outliers, n), replace=False)
            X[far] += 10**self.log_far * rng.normal(size=(len(far), d))
        if self.discrete:
            X[:, 0] = np.round(X[:, 0])
        copies = min(self.repeats, n // 2)
        X[n - copies :] = X[:copies]
        if np.isfinite(self.log_offset):
            X = X + 10**self.log_offset * X.std(axis=0) * rng.choice([-1, 1], size=d)
        return X * 10 ** np.resize(self.log_scales, d)

    def rows_for(self, spec):
        """The rows, or the first of what is made of them that the model takes."""
        X = self.rows()
        if isinstance(spec, GMM):
            spec.check(as_data(X))
            return X
        sd = X.std(axis=0)
        positive = np.exp(1 + np.clip((X - X.mean(axis=0)) / np.where(sd > 0, sd, 1), -3, 3))
        binary = (np.median(X, axis=0) < X).astype(float)
        for rows in (np.floor(positive), binary, positive):
            try:
                spec.check(as_data(rows))
            except InputError as error:
                refused = error
            else:
                return rows
        raise refused


units = st.one_of(st.just((0.0,)), *(st.tuples(*[st.floats(-6, 6, width=16)] * n) for n in (1, 3)))
"""One for all columns, or of every column its own."""


def recipes(awkward=True, components=(1, 4), features=(1, 4), extra_rows=(1, 150)):
    """Recipes of ordinary data, with none, some or all of what makes them awkward."""

    def often(plain, *others):
        return st.one_of(st.just(plain), *others) if awkward else st.just(plain)

    return st.builds(
        Recipe,
        seed=st.integers(0, 9999),
        n_components=st.integers(*components),
        extra_rows=st.integers(*extra_rows),
        n_features=st.integers(*features),
        apart=st.floats(0, 10, width=16),
        log_tight=often(0.0, st.floats(-5, 0, width=16)),
        log_condition=often(0.0, st.floats(0, 10, width=16)),
        log_scales=often((0.0,), units),
        log_offset=often(-np.inf, st.floats(0, 6, width=16)),
        discrete=st.booleans(),
        repeats=often(0, st.integers(1, 50)),
        outliers=often(0, st.integers(1, 3)),
        log_far=st.floats(0, 6, width=16),
    )


def stated(spec, X, log_count=0.0, log_scale=0.0):
    """The model with a prior of a user's own: as sure as so many rows, its scatter in units of the data's."""
    data, count, scale = as_data(X), 10**log_count, 10**log_scale
    default = replace(spec.family, prior="default").resolve(data, spec.n_components).prior
    if isinstance(default, priors.Beta):
        changed = {"alpha": 1 + count, "beta": 1 + scale}
    elif isinstance(default, priors.Gamma):
        changed = {"alpha": 1 + count, "beta": scale * default.beta}
    elif not hasattr(default, "mean"):
        changed = {}
    else:
        name = "Psi" if hasattr(default, "Psi") else "psi"
        changed = {
            "mean": X[0],
            "kappa": count,
            "nu": default.nu + count,
            name: scale * getattr(default, name),
        }
    return replace(spec, prior=replace(default, **changed), weight_concentration=1 + count)


# Changes of the data that a model follows


@dataclass(frozen=True)
class Affine:
    """Rows ``A x + b``: any for covariances that are matrices, fewer for the others."""

    matrix: np.ndarray
    shift: np.ndarray
    common_scale: bool = False

    def rows(self, X):
        return X @ self.matrix.T + self.shift

    worse: float = 1.0
    """How many times more rounding shows than before."""

    @property
    def log_det(self):
        """What the log density of a row falls by."""
        return np.linalg.slogdet(self.matrix)[1]

    def params(self, params):
        return {name: self._moved(name, x) for name, x in params.items()}

    def prior(self, prior):
        if prior is None:
            return None
        changed = {name: self._moved(name, np.asarray(x)) for name, x in vars(prior).items()}
        return replace(prior, **changed)

    def _moved(self, name, x):
        if name in ("mu", "mean"):
            return x @ self.matrix.T + self.shift
        if name in ("Sigma", "Psi"):
            moved = self.matrix @ x @ self.matrix.T
            return (moved + np.swapaxes(moved, -1, -2)) / 2
        if name in ("sigma2", "psi"):
            squares = (self.matrix**2).sum(axis=1)
            return x * (squares[0] if self.common_scale else squares)
        return x

    @property
    def inverse(self):
        matrix = np.linalg.inv(self.matrix)
        return Affine(matrix, -matrix @ self.shift, self.common_scale, self.worse)


@dataclass(frozen=True)
class Reorder:
    """Columns in another order."""

    columns: np.ndarray
    dims: dict
    """Dims of the parameters by name."""
    log_det, worse = 0.0, 1.0

    def rows(self, X):
        return X[:, self.columns]

    def params(self, params):
        moved = dict(params)
        for name, dims in self.dims.items():
            for axis, dim in enumerate(dims):
                if dim.startswith("feature"):
                    moved[name] = np.take(moved[name], self.columns, axis)
        return moved

    def prior(self, prior):
        return None if prior is None else prior.in_order(self.columns)

    @property
    def inverse(self):
        return replace(self, columns=np.argsort(self.columns))


@dataclass(frozen=True)
class Recode:
    """Zeros and ones exchanged in some columns."""

    columns: np.ndarray
    log_det, worse = 0.0, 1.0

    def rows(self, X):
        return np.where(self.columns, 1 - X, X)

    def params(self, params):
        return {**params, "p": self.rows(params["p"])}

    def prior(self, prior):
        if prior is None:
            return None
        a, b = (np.broadcast_to(x, self.columns.shape) for x in (prior.alpha, prior.beta))
        return priors.Beta(np.where(self.columns, b, a), np.where(self.columns, a, b))

    @property
    def inverse(self):
        return self


def change(spec, X, seed, log_condition=0.0, log_units=(0.0,), log_offset=-np.inf):
    """A change of these rows that the model follows, as large as is asked for."""
    rng, d = np.random.default_rng(seed), X.shape[1]
    if spec.dims.get("p") == ("cluster", "feature"):
        return Recode(rng.random(d) < 0.5)
    if "mu" not in spec.dims:
        return Reorder(rng.permutation(d), spec.dims)  # no change of units that every family follows
    units = 10 ** np.resize(log_units, d)
    turn, back = (np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2))
    matrix = {
        "diag": np.diag(units * rng.choice([-1, 1], d)),
        "spherical": units[0] * turn,
    }.get(
        spec.covariance_type.removeprefix("tied_"),
        units[:, None] * turn * 10 ** np.linspace(0, -log_condition, d) @ back,
    )
    away = 10**log_offset * (X @ matrix.T).std(axis=0) * rng.choice([-1, 1], d)
    stretch = 10**log_condition if spec.covariance_type in ("full", "tied") else 1.0
    worse = stretch * (stretch + 10**log_offset)
    return Affine(matrix, away - X.mean(axis=0) @ matrix.T, "spherical" in spec.covariance_type, worse)


def condition(spec, params):
    """How many times one rounding of the parameters shows in a row's log density."""
    if "mu" not in params:
        return 1.0
    mu, Sigma = spec.family.moments(params)
    sd = np.sqrt(np.diagonal(Sigma, axis1=1, axis2=2))
    narrowest = np.linalg.eigvalsh(Sigma / sd[:, :, None] / sd[:, None, :])[:, 0]
    return float((1 / narrowest + (np.abs(mu) / sd).max(axis=1) / np.sqrt(narrowest)).max())
