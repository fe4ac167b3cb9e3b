"""Built-in data sets: small, offline and the same on every call."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pandas as pd

from mixtures.errors import InputError
from mixtures.messages import did_you_mean


def faithful() -> pd.DataFrame:
    """Eruptions of the Old Faithful geyser: two clusters, the standard example of a Gaussian mixture.

    Returns
    -------
    DataFrame, shape (272, 2)
        ``eruptions``, the duration of an eruption, and ``waiting``, the time to the next one, in minutes.

    References
    ----------
    Azzalini, A. and Bowman, A. W. (1990). A look at some data on the Old Faithful geyser. Applied Statistics
    39, 357-365. As in the R package ``datasets``.
    """
    with resources.files("mixtures").joinpath("_data", "faithful.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file, dtype=np.float64)


def blobs() -> pd.DataFrame:
    """Four round, well separated clusters in the plane, for K-means and Gaussian mixtures.

    Returns
    -------
    DataFrame, shape (400, 2)
        ``x`` and ``y``: 100 rows per cluster, standard deviation 0.60.

    References
    ----------
    VanderPlas, J. (2016). Python Data Science Handbook, "In Depth: Gaussian Mixture Models". O'Reilly. Drawn
    with ``sklearn.datasets.make_blobs(400, centers=4, cluster_std=0.60, random_state=0)``, axes swapped as
    there.
    """
    from sklearn.datasets import make_blobs  # not imported just to list the names

    X, _ = make_blobs(400, centers=4, cluster_std=0.60, random_state=0)
    return pd.DataFrame(X[:, ::-1], columns=["x", "y"])


def squares() -> pd.DataFrame:
    """Two squares of uniform points in the plane, for K-means: clusters that are not Gaussian.

    Returns
    -------
    DataFrame, shape (100, 2)
        ``x`` and ``y``: 50 rows on [-2, 0] x [-2, 0], then 50 on [1, 3] x [1, 3].

    References
    ----------
    A usual first example of K-means. Simulated here.
    """
    rng = np.random.default_rng(0)
    X = np.vstack([rng.uniform(-2, 0, size=(50, 2)), rng.uniform(1, 3, size=(50, 2))])
    return pd.DataFrame(X, columns=["x", "y"])


def coins() -> pd.DataFrame:
    """One flip per row of a coin picked unseen from two: a Bernoulli mixture that the data cannot identify.

    The coins land heads with p = 0.2 and 0.7 and are picked with weights 0.4 and 0.6. A single flip per row
    identifies only the overall probability of heads, 0.4 * 0.2 + 0.6 * 0.7 = 0.5.

    Returns
    -------
    DataFrame, shape (300, 1)
        ``heads``, 0 or 1.

    References
    ----------
    The coins of Do, C. B. and Batzoglou, S. (2008). What is the expectation maximization algorithm? Nature
    Biotechnology 26, 897-899, with one flip per row instead of ten. Simulated here.
    """
    rng = np.random.default_rng(0)
    z = rng.choice(2, size=300, p=[0.4, 0.6])
    p = np.array([0.2, 0.7])
    return pd.DataFrame({"heads": rng.binomial(1, p[z])})


def digits() -> pd.DataFrame:
    """Handwritten digits in black and white, for Bernoulli mixtures.

    Returns
    -------
    DataFrame, shape (1797, 64)
        ``pixel_r_c`` for rows r and columns c from 0 to 7: 1 where the grey level, of 0 to 16, is at least 8.

    References
    ----------
    Alpaydin, E. and Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning
    Repository. Read with ``sklearn.datasets.load_digits``. Mixtures of binary digits: Bishop, PRML, 9.3.3.
    """
    from sklearn.datasets import load_digits

    grey = load_digits().data
    columns = [f"pixel_{r}_{c}" for r in range(8) for c in range(8)]
    return pd.DataFrame((grey >= 8).astype(np.int64), columns=columns)


def iris() -> pd.DataFrame:
    """Sizes of iris flowers of three species, two of which overlap; the species are left out.

    Returns
    -------
    DataFrame, shape (150, 4)
        ``sepal_length``, ``sepal_width``, ``petal_length`` and ``petal_width`` in centimetres.

    References
    ----------
    Fisher, R. A. (1936). The use of multiple measurements in taxonomic problems. Annals of Eugenics 7,
    179-188. Read with ``sklearn.datasets.load_iris``.
    """
    columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    from sklearn.datasets import load_iris

    return pd.DataFrame(load_iris().data, columns=columns)


_LOADERS: dict[str, Callable[[], pd.DataFrame]] = {
    loader.__name__: loader for loader in (faithful, blobs, squares, coins, digits, iris)
}


NAMES = tuple(_LOADERS)


def load(name: str) -> pd.DataFrame:
    """Load a built-in data set by its name.

    Parameters
    ----------
    name : str
        One of ``NAMES``.

    Returns
    -------
    DataFrame
        As the function of that name returns it.

    Raises
    ------
    InputError
        If there is no such data set.

    Examples
    --------
    >>> load("faithful").shape
    (272, 2)
    """
    if name not in _LOADERS:
        hint = did_you_mean(name, NAMES)
        raise InputError(f"there is no data set {name!r}{hint}; the data sets are {', '.join(NAMES)}")
    return _LOADERS[name]()


@dataclass(frozen=True)
class Description:
    """A description of a built-in data set: its name, size, a summary line and its source."""

    name: str
    n_rows: int
    n_columns: int
    summary: str
    source: str


def describe(name: str) -> Description:
    """Describe a built-in data set by its docstring.

    Examples
    --------
    >>> describe("faithful").summary
    'Eruptions of the Old Faithful geyser: two clusters, the standard example of a Gaussian mixture.'
    """
    n_rows, n_columns = load(name).shape
    text = inspect.getdoc(_LOADERS[name]) or ""
    source = " ".join(text.partition("References\n----------\n")[2].split())
    return Description(name, n_rows, n_columns, text.partition("\n")[0], source)
