"""EM, MAP and posterior of one model, side by side, and a certificate that they agree.

EM and PyMC share no density code; the certificate says, with figures, whether
they describe the same posterior and the same mode of it. Where the mode sits in
the posterior is described, never judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm

from mixtures.agreement.certificate import count_starts, independent, maximum, returns, slopes
from mixtures.agreement.large import crosscheck_blocks
from mixtures.agreement.modes import displaced, find_modes
from mixtures.agreement.notes import incomplete, where_mode_sits
from mixtures.agreement.table import parameter_table
from mixtures.arguments import check_share, check_whole, generator
from mixtures.clusters.labelled import EXCHANGEABLE, label_state
from mixtures.data.rows import Blocks
from mixtures.data.sources import as_rows
from mixtures.data.table import Data
from mixtures.density.compiled import CompiledModel
from mixtures.density.curvature import curvature_at
from mixtures.density.search import reach
from mixtures.diagnostics.diagnose import diagnose
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import INTERRUPTED, carrying, whole
from mixtures.posterior.by_model import align_by_model
from mixtures.posterior.map import best_mode
from mixtures.posterior.sample import sample
from mixtures.posterior.samplers import check_options
from mixtures.posterior.starts import model_starts, partition_starts
from mixtures.posterior.symmetry import find_symmetry
from mixtures.posterior.target import prepare
from mixtures.results.crosscheck import Crosscheck
from mixtures.standard_errors.side_by_side import check_methods
from mixtures.standard_errors.side_by_side import uncertainty as side_by_side
from mixtures.types import Params

__all__ = ["crosscheck"]


def crosscheck(
    spec: Mixture | pm.Model,
    X: Any = None,
    *,
    weights: Any = None,
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
    progressbar: bool = True,
) -> Crosscheck:
    """Fit a mixture by EM, MAP and posterior sampling, and certify that they agree.

    Parameters
    ----------
    spec : GMM, BMM or pymc.Model
        The model. On a user's own model, MAP is held against the posterior and
        EM is left out.
    X : array_like or frame, shape (n, D), optional
        The data; needed with a GMM or BMM, refused with a ``pymc.Model``. Rows
        that are never in memory at once, as `fit_em` takes them, are certified all;
        their posterior is a Laplace approximation, held against NUTS on some rows.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. Refused with a
        ``pymc.Model``.
    n_init : int, default 10
        Starts of EM, and independent starts of MAP.
    draws, tune, chains : int, default 1000, 500, 4
        As in `sample`.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything.
    sampler : {"blackjax", "nutpie", "pymc"}, default "blackjax"
        As in `sample`.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals.
    uncertainty : "all" or sequence of str, optional
        Methods whose standard deviations to put side by side, as in `uncertainty`;
        refused with a ``pymc.Model``.
    n_resamples : int, default 1000
        Replicates of the bootstraps among them.
    start : dict of ndarray, optional
        Parameters from which EM starts too, beside its ``n_init`` starts, such as those of
        a fit that is known to be better; refused with a ``pymc.Model``.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Crosscheck
        Table, certificate, and the three answers themselves. After Ctrl-C in
        the sampling it has what was drawn, and a note says so; before that
        the interrupt goes on, its attribute ``partial`` holding EM's fit.

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
    check_options(sampler, draws, tune, chains)
    check_whole(1, n_init=n_init)
    check_share(ci_prob=ci_prob)
    methods = () if uncertainty is None else check_methods(uncertainty, n_resamples)
    if isinstance(spec, Mixture):
        spec.check_mode()
    elif start is not None:
        raise InputError("start needs a GMM or BMM: EM does not fit a pymc.Model; leave it out")
    elif methods:
        raise InputError("uncertainty needs a GMM or BMM: EM and its bootstraps know no other model")
    rng = generator(random_seed)
    sampling: dict[str, Any] = {
        "draws": draws,
        "tune": tune,
        "chains": chains,
        "sampler": sampler,
        "progressbar": progressbar,
    }
    if isinstance(spec, Mixture) and X is not None:
        X, weights = spec.ordered(as_rows(X, weights), X), None
        if isinstance(X, Blocks) and methods:
            raise InputError(
                "uncertainty= needs the rows in memory: pass an array, of a subsample if need be"
            )
        if isinstance(X, Blocks):
            return crosscheck_blocks(spec, X, n_init, rng, sampling, ci_prob, start)
    model, twin, resolved, data = prepare(spec, X, weights)
    compiled = CompiledModel(model, twin)
    if resolved is None or data is None:
        return _of_model(compiled, n_init, rng, sampling, ci_prob)
    cc = _of_spec(compiled, resolved, data, n_init, rng, sampling, ci_prob, start)
    if not methods or cc.interrupted:
        return cc
    try:
        beside = side_by_side(
            resolved,
            data,
            em=cc.em,
            posterior=cc.posterior,
            methods=methods,
            n_resamples=n_resamples,
            ci_prob=ci_prob,
            random_seed=rng,
            **sampling,
        )
    except KeyboardInterrupt:
        return replace(cc, notes=(*cc.notes, f"{INTERRUPTED}: without sds by several methods"))
    return replace(cc, uncertainty=beside)


def _of_spec(
    compiled: CompiledModel,
    spec: Mixture,
    data: Data,
    n_init: int,
    rng: np.random.Generator,
    sampling: Mapping[str, Any],
    ci_prob: float,
    start: Params | None,
) -> Crosscheck:
    found = find_modes(
        compiled,
        spec,
        data,
        lambda: partition_starts(compiled, spec, data, n_init, rng),
        n_init,
        rng,
        bool(sampling["progressbar"]),
        start,
    )
    em, mode, curvature = found.em, found.mode, found.curvature
    posterior, convergence, notes = None, None, list(em.notes)
    try:
        if spec.prior is not None or spec.family.flat_is_proper:
            posterior = sample(spec, data, em=em, random_seed=rng, **sampling)
            notes += incomplete(posterior, sampling)
            convergence = diagnose(posterior, spec=spec, X=data, em=em)
        else:
            notes.append(
                "prior=None: the posterior is improper and was not sampled; sds are Laplace's at the mode"
            )
    except KeyboardInterrupt:
        left = "drawn from: sds are Laplace's at the mode" if posterior is None else "judged"
        notes.append(f"{INTERRUPTED}: the posterior was not {left}")
    notes += spec.family.remarks(em.params, data.total * em.params["alpha"])
    with carrying(em):
        table = parameter_table(compiled, em.params, mode.params, posterior, found.x, curvature, rng, ci_prob)
        if posterior is not None:
            notes.append(where_mode_sits(posterior, em.log_posterior, int(np.sum(~found.bound))))
        certificate = found.certificate(compiled, spec, data, table)
    return Crosscheck(table, certificate, em, mode, posterior, convergence, tuple(notes), starts=found.starts)


def _of_model(
    compiled: CompiledModel,
    n_init: int,
    rng: np.random.Generator,
    sampling: Mapping[str, Any],
    ci_prob: float,
) -> Crosscheck:
    multi = whole(best_mode(compiled, model_starts(compiled, n_init, rng), None, None))
    with carrying(multi):
        x = compiled.unconstrain(multi.params)
        curvature = curvature_at(compiled, x)
        step = displaced(x, curvature, rng) - x
        mode = whole(best_mode(compiled, [x + reach(compiled, x, step) * step], None, None))
        symmetry = find_symmetry(compiled, x)
        if symmetry.state == EXCHANGEABLE:
            returned = align_by_model(mode.to_datatree(), multi.params, compiled=compiled, symmetry=symmetry)[
                "posterior"
            ].to_dataset()
            mode = replace(mode, params={name: returned[name].values[0, 0] for name in mode.params})
        posterior = sample(compiled.model, random_seed=rng, pivot=multi.params, **sampling)
    table = parameter_table(compiled, multi.params, mode.params, posterior, x, curvature, rng, ci_prob)
    table = table.rename(columns={"EM": "MAP", "MAP": "MAP again"})
    starts = count_starts(multi, None)
    certificate = (
        *slopes(compiled, x, np.zeros(x.size, dtype=bool), "MAP", curvature),
        maximum(curvature),
        returns(mode, table),
        independent(multi, multi.log_posterior, 0.0, starts),
    )
    notes = (
        "a model of your own: MAP against posterior, without EM",
        *incomplete(posterior, sampling),
        *(f"labels are not aligned: {why}" for why in label_state(posterior)[1:] if why),
        where_mode_sits(posterior, multi.log_posterior, x.size),
    )
    convergence = diagnose(posterior)
    return Crosscheck(table, certificate, None, multi, posterior, convergence, notes, starts=starts)
