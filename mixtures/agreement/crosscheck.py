"""EM, MAP and posterior of one model, side by side, and a certificate that they agree.

EM and PyMC share no density code; the certificate shows, with figures, whether
they describe the same posterior and the same mode of it. The position of the mode
in the posterior is described, never judged.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mixtures.agreement.plan import Plan
from mixtures.arguments import check_names, check_share, check_whole, generator
from mixtures.data.chunks import in_blocks
from mixtures.data.rows import Blocks
from mixtures.data.table import Data
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.interrupts import INTERRUPTED, Status
from mixtures.posterior.chains import Chains
from mixtures.posterior.target import ModelTarget, target_of
from mixtures.results.crosscheck import Crosscheck
from mixtures.standard_errors.side_by_side import check_methods
from mixtures.types import DeferredModule, Params

if TYPE_CHECKING:
    import pymc as pm
else:
    pm = DeferredModule("pymc")

__all__ = ["crosscheck"]


def crosscheck(
    spec: "Mixture | pm.Model",
    X: Any = None,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    n_init: int = 10,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    random_seed: int | np.random.Generator | None = None,
    sampler: str = "blackjax",
    ci_prob: float = 0.95,
    uncertainty: str | Sequence[str] | None = None,
    n_resamples: int = 1000,
    start: Params | None = None,
    names: Sequence[str] | None = None,
    progressbar: bool = True,
) -> Crosscheck:
    """Fit a mixture by EM, MAP and posterior sampling, and certify that they agree.

    Parameters
    ----------
    spec : Mixture or pymc.Model
        The model. For a user's own model, MAP is compared with the posterior, without
        EM.
    X : array_like or frame, shape (n, D), optional
        The data; needed with a specification, refused with a ``pymc.Model``. Rows
        that are never in memory at once (chunks, Dask collections, memory maps of more than 67 million
        cells) are accepted as in `fit_em`, and the certificate
        covers all of them; their posterior is a Laplace approximation, which is
        compared with NUTS on a subset of rows. With missing cells such rows are read into memory.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. Refused with a
        ``pymc.Model``.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`. Refused with a ``pymc.Model``.
    n_init : int, default 10
        Starts of EM, and independent starts of MAP.
    draws, tune, chains : int, default 1000, 500, 4
        As in `sample`.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything.
    sampler : {"blackjax", "nutpie", "pymc", "laplace", "split_hmc", "auto"}, default "blackjax"
        As in `sample`. If ``"laplace"`` or ``"split_hmc"`` is not possible, a note says so and there is
        no sample.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals.
    uncertainty : "all" or sequence of str, optional
        Methods whose standard deviations to compare, as in `uncertainty`; refused
        with a ``pymc.Model``.
    n_resamples : int, default 1000
        Replicates of the bootstraps, if requested.
    start : dict of array_like or fit, optional
        One more start of EM, such as a fit that is known to be better;
        refused with a ``pymc.Model``.
    names : sequence of str, optional
        Names of the clusters, as many as there are and all different, for the tables, `describe`, the plots
        and `report`; refused with a ``pymc.Model``. The order of clusters is that of EM's fit and known only
        after it: with the same seed it is the same again, and ``cc.named(names)`` gives names afterwards,
        also to the clusters of a ``pymc.Model``.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Crosscheck
        Table, certificate, and the three answers themselves. After Ctrl-C during
        sampling it holds the draws so far, and a note says so; before sampling the
        interrupt is raised, with EM's fit in its attribute ``partial``.

    Raises
    ------
    InputError
        If the data do not fit the model, or the prior has no mode.

    Examples
    --------
    >>> import mixtures as mx
    >>> cc = mx.crosscheck(mx.GMM(2), mx.datasets.faithful(), random_seed=1, progressbar=False)
    >>> cc.passed
    True
    """
    how = Chains(draws=draws, tune=tune, chains=chains, sampler=sampler, progressbar=progressbar)
    check_whole(1, n_init=n_init)
    check_share(ci_prob=ci_prob)
    methods = () if uncertainty is None else check_methods(uncertainty, n_resamples)
    if isinstance(spec, Mixture):
        spec.check_mode()
    elif start is not None:
        raise InputError("start needs a model such as GMM(2): EM does not fit a pymc.Model; leave it out")
    elif methods:
        raise InputError("uncertainty needs a model such as GMM(2): EM and its bootstraps know no other")
    if names is not None:
        if not isinstance(spec, Mixture):
            raise InputError(
                "names need a model such as GMM(2): the clusters of a pymc.Model are found with its "
                "posterior; name them then, crosscheck(model).named(names)"
            )
        check_names(names, spec.n_components)
    given = {"weights": weights, "missing": missing, "labels": labels}
    plan = Plan(n_init, how, generator(random_seed), ci_prob, start, methods, n_resamples)
    cc = _fitted(spec, X, given, plan)
    if isinstance(random_seed, int | np.integer):
        cc = replace(cc, random_seed=int(random_seed))
    return cc if names is None else cc.named(names)


def _fitted(spec: "Mixture | pm.Model", X: Any, given: dict[str, Any], plan: Plan) -> Crosscheck:
    """Crosscheck by the kind of model and rows, after all checks of arguments."""
    rows = None
    if isinstance(spec, Mixture) and X is not None:
        rows = spec.rows(X, **given)
    if isinstance(rows, Data) and rows.mapping is not None:
        from mixtures.agreement.large import MOST_CELLS

        rows = in_blocks(rows) if rows.values.size > MOST_CELLS else rows
    if isinstance(spec, Mixture) and isinstance(rows, Blocks):
        if plan.methods:
            raise InputError(
                "uncertainty= needs the rows in memory: pass an array, of a subsample if need be"
            )
        resolved = resolve(spec, rows)
        from mixtures.agreement.large import crosscheck_blocks  # PyMC and JAX, only now

        return crosscheck_blocks(resolved, rows, plan)
    own = given if rows is None else {}
    target = target_of(spec, X if rows is None else rows, **own)
    if isinstance(target, ModelTarget):
        from mixtures.agreement.compare_model import crosscheck_model

        return crosscheck_model(target, plan)
    from mixtures.agreement.compare import crosscheck_mixture

    cc = crosscheck_mixture(target, plan)
    if not plan.methods or cc.interrupted:
        return cc
    from mixtures.standard_errors.methods import compare

    try:
        beside = compare(
            target,
            plan.methods,
            plan.chains,
            plan.rng,
            cc.em,
            cc.posterior,
            n_resamples=plan.n_resamples,
            ci_prob=plan.ci_prob,
        )
    except KeyboardInterrupt:
        notes = (*cc.notes, f"{INTERRUPTED}: without sds by several methods")
        return replace(cc, notes=notes, status=Status.INTERRUPTED)
    return replace(cc, uncertainty=beside)
