"""MAP estimates from PyMC's log density, compiled once and searched from many starts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtures.arguments import check_whole, generator
from mixtures.families.mixture import Mixture
from mixtures.posterior.target import MixtureTarget, target_of
from mixtures.results.map import MAPFit
from mixtures.types import DeferredModule

if TYPE_CHECKING:
    import pymc as pm
else:
    pm = DeferredModule("pymc")

__all__ = ["fit_map"]


def fit_map(
    spec: "Mixture | pm.Model",
    X: Any = None,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    start: Mapping[str, Any] | None = None,
    n_init: int = 10,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = False,
) -> MAPFit:
    """Find the posterior mode of a mixture on PyMC's log density.

    The model is compiled once. Every start climbs by L-BFGS and is refined by
    Newton steps until the gradient is zero. With ``prior=None`` the mode is the
    maximum likelihood estimate.

    Parameters
    ----------
    spec : Mixture or pymc.Model
        The model. A user's own model brings its data with it.
    X : array_like or frame, shape (n, D), optional
        The data; needed with a specification, refused with a ``pymc.Model``.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. Refused with a
        ``pymc.Model``.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`. Refused with a ``pymc.Model``.
    start : dict of array_like or fit, optional
        Values of the free variables to start from, instead of ``n_init`` starts,
        with columns by name or position as in `fit_em`.
    n_init : int, default 10
        Number of starts, of the kinds that `fit_em` takes in turn; k-means partitions for
        a ``pymc.Model``.
    random_seed : int or numpy.random.Generator, optional
        Seed of the starts.
    progressbar : bool, default False
        Show the progress over the starts.

    Returns
    -------
    MAPFit
        The best mode and where every start ended. After Ctrl-C it is the best
        point reached, not converged; if there is none yet, the interrupt is raised.

    Raises
    ------
    InputError
        If the data do not fit the model, or the prior has no mode.
    CollapseError
        If every start ran off to a degenerate cluster.

    Examples
    --------
    >>> import mixtures as mx
    >>> mode = mx.fit_map(mx.GMM(2), mx.datasets.faithful(), random_seed=1)
    >>> round(mode.log_posterior, 3), mode.found
    (-1157.165, 'a maximum')
    """
    target = target_of(spec, X, weights, missing=missing, labels=labels)
    if isinstance(target, MixtureTarget):
        target.spec.check_mode()
    check_whole(1, n_init=n_init)
    rng = generator(random_seed)
    given = None if start is None else target.check_start(start)
    from mixtures.posterior.modes import best_mode  # PyMC and JAX, only now
    from mixtures.posterior.starts import starts_of

    starts = starts_of(target, n_init, rng) if given is None else [target.compiled.unconstrain(given)]
    return best_mode(target.compiled, starts, target.spec, target.data, progressbar=progressbar)
