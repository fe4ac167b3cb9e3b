"""EM, MAP and posterior of one model, side by side, and a certificate that they agree.

EM and PyMC share no density code; the certificate says, with figures, whether
they describe the same posterior and the same mode of it. Where the mode sits in
the posterior is described, never judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from mixtures.arguments import check_share, check_whole, generator
from mixtures.brief import model_words, noted, on_a_page, table_head
from mixtures.by_model import align_by_model
from mixtures.certificate import count_starts, displaced, find_modes, independent, maximum, returns, slopes
from mixtures.chunks import as_rows
from mixtures.compiled import CompiledModel
from mixtures.data import Data
from mixtures.diagnostics import diagnose
from mixtures.emfit import EMFit
from mixtures.errors import InputError, NoApproximation
from mixtures.families import Mixture, Params, resolve
from mixtures.headline import Headline, conclude
from mixtures.interrupts import INTERRUPTED, carrying, whole
from mixtures.labelled import EXCHANGEABLE, label_state
from mixtures.labels import align
from mixtures.laplace import laplace_draws
from mixtures.modes import (
    MAPFit,
    best_mode,
    model_starts,
    partition_starts,
    prepare,
)
from mixtures.optimise import climb, curvature_at, reach
from mixtures.priors import Array
from mixtures.rows import Blocks
from mixtures.sampling import check_options, sample
from mixtures.standard_errors import Uncertainty, check_methods
from mixtures.standard_errors import uncertainty as side_by_side
from mixtures.streaming import StreamedModel
from mixtures.symmetry import find_symmetry
from mixtures.table import parameter_table
from mixtures.trees import draws_tree
from mixtures.verdict import Check, Starts, Verdict

__all__ = ["Crosscheck", "crosscheck"]

LAPLACE = "Laplace approximation in unconstrained coordinates; its mode is not the MAP"


@dataclass(frozen=True)
class Crosscheck:
    """EM, MAP and posterior of one model with the certificate of their agreement.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a parameter: EM, MAP and their gap (in posterior sds), posterior
        mean, sd and equal-tailed interval, z of EM in the posterior, ESS, R-hat.
    certificate : tuple of Check
        Lines of the certificate, each with figure, tolerance and verdict.
    passed : bool
        Whether every line of the certificate holds.
    em : EMFit or None
        EM's fit; None for a user's own model.
    mode : MAPFit
        PyMC's MAP.
    posterior : xarray.DataTree or None
        Aligned posterior sample; None where the posterior is improper. For rows
        that are never in memory at once it is a Laplace approximation, and
        ``attrs["method"]`` says so.
    convergence : Verdict or None
        Whether the sample can be believed (that of some rows, where not all are in memory).
    notes : tuple of str
        What else a reader should know.
    uncertainty : Uncertainty or None
        Sds by several methods side by side, if they were asked for.
    starts : Starts or None
        How many starts of EM and of MAP reached the best optimum; None in files of
        an earlier version.
    """

    table: pd.DataFrame
    certificate: tuple[Check, ...]
    em: EMFit | None
    mode: MAPFit
    posterior: xr.DataTree | None
    convergence: Verdict | None
    notes: tuple[str, ...]
    uncertainty: Uncertainty | None = None
    starts: Starts | None = None

    def __repr__(self) -> str:
        """Say on a page what was found and whether it agrees."""
        holds = "holds" if self.passed else "does not hold"
        return on_a_page(
            f"Crosscheck of {model_words(self.mode.spec)}: the certificate of agreement {holds}",
            f"  {self.headline.state.name}: {self.headline.title}",
            *(f"  {check}" for check in self.certificate),
            "" if self.convergence is None else f"  posterior sample: {self.convergence}",
            table_head(self.table.drop(columns=["z", "ess_tail"], errors="ignore"), rows=10),
            noted(self.notes),
        )

    @property
    def passed(self) -> bool:
        """Whether every line of the certificate holds."""
        return all(check.passed for check in self.certificate)

    @property
    def headline(self) -> Headline:
        """The conclusion: green, amber or red, with the reasons."""
        return conclude(
            self.certificate,
            self.convergence,
            self.posterior,
            self.notes,
            interrupted=self.interrupted,
            confirmed=self.starts is None or self.starts.confirmed,
            with_em=self.em is not None,
        )

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut it short; a note says where."""
        beside = () if self.uncertainty is None else self.uncertainty.notes
        return any(note.startswith(INTERRUPTED) for note in (*self.notes, *beside))


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


def crosscheck_blocks(
    spec: Mixture,
    rows: Blocks,
    n_init: int,
    rng: np.random.Generator,
    sampling: Mapping[str, Any],
    ci_prob: float,
    start: Params | None,
) -> Crosscheck:
    """Rows that are never in memory at once: Laplace for all of them, NUTS for some."""
    spec = resolve(spec, rows)
    compiled = StreamedModel(spec, rows, rng)
    some = compiled.sub

    def starts() -> list[Array]:
        ends = [climb(compiled.of_table, x) for x in partition_starts(compiled, spec, some, n_init, rng)]
        return list({round(compiled.of_table(x)[0], 3): x for x in ends}.values())

    found = find_modes(compiled, spec, rows, starts, n_init, rng, bool(sampling["progressbar"]), start)
    em, mode, notes = found.em, found.mode, list(found.em.notes)
    notes += spec.family.remarks(em.params, rows.total * em.params["alpha"])
    posterior, table, convergence = None, None, None
    if spec.prior is None and not spec.family.flat_is_proper:
        notes.append("prior=None: the posterior is improper; sds are Laplace's at the mode")
    else:
        try:
            posterior = _laplace_tree(compiled, spec, em, rng, sampling)
        except NoApproximation as error:
            notes.append(f"no Laplace approximation: the log density is {error}")
    table = parameter_table(
        compiled, em.params, mode.params, posterior, found.x, found.curvature, rng, ci_prob
    )
    if posterior is not None:
        notes.append(
            f"the posterior of all {rows.n_rows:,} rows is a Laplace approximation from their observed "
            "information: independent draws of a normal in unconstrained coordinates"
        )
        drawn = sample(spec, some, pivot=em.params, random_seed=rng, **sampling)
        notes += incomplete(drawn, sampling)
        convergence = diagnose(drawn, spec=spec, X=some)
        width = parameter_table(
            compiled, em.params, mode.params, drawn, found.x, found.curvature, rng, ci_prob
        )["sd"] * np.sqrt(some.total / rows.total)
        table["sd_nuts"], ratio = width, width / table["sd"]
        notes.append(
            f"sd_nuts: NUTS on {some.n_rows:,} rows drawn at random, its sds times "
            f"{np.sqrt(some.total / rows.total):.3g}, the root of their share; "
            f"{ratio.min():.2f} to {ratio.max():.2f} of Laplace's"
        )
    certificate = found.certificate(compiled, spec, rows, table)
    return Crosscheck(table, certificate, em, mode, posterior, convergence, tuple(notes), starts=found.starts)


def _laplace_tree(
    compiled: CompiledModel,
    spec: Mixture,
    em: EMFit,
    rng: np.random.Generator,
    sampling: Mapping[str, Any],
) -> xr.DataTree:
    """Draws of Laplace's approximation, as many as of a sample, labelled as what they are."""
    chains, draws = sampling["chains"], sampling["draws"]
    drawn = laplace_draws(compiled, spec.inside(em.params), chains * draws, rng)
    by_chain = {name: x.reshape(chains, draws, *x.shape[1:]) for name, x in drawn.items()}
    tree = align(draws_tree(by_chain, spec.dims, em.features), to=em.params)
    tree.attrs["method"] = LAPLACE
    return tree


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


def incomplete(posterior: xr.DataTree, sampling: Mapping[str, Any]) -> tuple[str, ...]:
    """What is missing of a sample that was stopped."""
    if "stopped" not in posterior.attrs:
        return ()
    sizes = posterior["posterior"].sizes
    return (
        f"{posterior.attrs['stopped']}: the sample has {sizes['chain']} chains of {sizes['draw']} draws, not "
        f"{sampling['chains']} of {sampling['draws']}",
    )


def where_mode_sits(posterior: xr.DataTree, log_posterior: float, free: int) -> str:
    below = 2 * (log_posterior - np.asarray(posterior["sample_stats"]["log_posterior"]))
    return (
        f"2 (log posterior at the mode - at a draw): median {np.median(below):.1f}, "
        f"against {free} for chi-squared with {free} degrees of freedom"
    )
