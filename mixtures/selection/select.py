"""Choice of the number of clusters: fits for every K, a table of criteria, and a stated rule."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import log_softmax

from mixtures.arguments import check_whole, generator
from mixtures.data.known_labels import anchored_clusters, known_rows, order_by_size
from mixtures.data.table import Data
from mixtures.em.fit import fit_em
from mixtures.em.starts import split_starts
from mixtures.errors import CollapseError, InputError, NonMonotoneError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.interrupts import INTERRUPTED, Status, complete
from mixtures.messages import Option, message_of, worded
from mixtures.posterior.chains import Chains
from mixtures.posterior.target import MixtureTarget
from mixtures.progress import track
from mixtures.results.em import EMFit
from mixtures.results.selection import Selection
from mixtures.selection.blrt import RatioTest
from mixtures.selection.checking import check_comparison, check_fits, check_numbers
from mixtures.selection.criteria import (
    DEFAULT,
    SAMPLED,
    best_by,
    criteria_table,
    recommend,
    remarks,
)
from mixtures.selection.evidence import marginal_likelihood
from mixtures.selection.skewness import skewness_note
from mixtures.tolerances import TOLERANCES, same_height

__all__ = ["select"]


def select(
    spec: Mixture,
    X: Any,
    n_components: Iterable[int] = range(1, 7),
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    criteria: Iterable[str] | str = DEFAULT,
    n_init: int = 10,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    fits: Mapping[int, EMFit] | None = None,
    blrt: int | None = None,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
) -> Selection:
    """Fit a mixture with several numbers of clusters and compare them.

    With n rows (the sum of the weights), p free parameters and the
    log-likelihood log L of EM's fit, prior left out::

        AIC = -2 log L + 2 p
        BIC = -2 log L + p log n
        ICL = BIC - 2 sum_i log r_i,z(i),   z(i) the most probable cluster of row i
        CAIC = -2 log L + p (log n + 1)
        SABIC = -2 log L + p log((n + 2) / 24)

    Lower is better. These take seconds. For ``"loo"`` (expected log predictive
    density of a row left out, hidden clusters summed out) and ``"evidence"`` (log
    marginal likelihood) higher is better; they sample from the posterior of every K,
    which takes tens of seconds.

    EM at K also starts from every split of one cluster of the fit with K - 1, if there
    is one. Without a prior, and if nothing collapses, the log-likelihood is then never
    lower than at K - 1.

    Parameters
    ----------
    spec : Mixture
        The model; its own ``n_components`` is ignored. A "default" prior is resolved
        again for every K.
    X : array_like or frame, shape (n, D)
        The data.
    n_components : iterable of int, default range(1, 7)
        Numbers of clusters K.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`. A number of clusters that lacks one of the labels is not
        fitted. All criteria are those of the rows and these labels.
    criteria : iterable of {"aic", "bic", "icl", "caic", "sabic", "loo", "evidence"} or "all"
        What to compute; ``("aic", "bic", "icl")`` by default.
    n_init : int, default 10
        Starts of EM, in addition to the splits.
    draws, tune, chains : int, default 1000, 500, 4
        As in `sample`.
    fits : dict of int to EMFit, optional
        Known fits of the same model and data by K, such as ``{3: cc.em}`` of a
        crosscheck: such a fit is used for its K if no start does better.
    blrt : int, optional
        Simulated data sets of a bootstrap likelihood-ratio test of every K against K - 1, such as 200:
        ``lr`` is twice the difference of the log-likelihoods and ``blrt_p`` the share of data sets
        simulated from the fit with K - 1 clusters, the data themselves counted in, in which it is as
        large, all fitted from the same few starts. A small p speaks for K clusters. It informs and
        does not change the recommendation.
        Each data set is fitted twice, which takes about as long as one start of EM and K splits.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Selection
        Table, fits and a recommendation that states its rule: the evidence decides if
        it was computed (the fewest clusters among those it cannot distinguish),
        otherwise the BIC, otherwise the first criterion requested. The rule says if
        this is the largest K tried, and a note says if skewed columns are the reason
        for so many clusters by the BIC. After an interrupt it holds the K that were
        finished.

    Raises
    ------
    InputError
        If the data cannot be modelled with any K, or a criterion cannot be computed
        with the prior or the weights.

    References
    ----------
    Fraley and Raftery (2007), *Journal of Classification* 24 (BIC at the mode);
    Biernacki, Celeux and Govaert (2000), *IEEE PAMI* 22 (ICL); Bozdogan (1987),
    *Psychometrika* 52 (CAIC); Sclove (1987), *Psychometrika* 52 (SABIC); Vehtari, Gelman
    and Gabry (2017), *Statistics and Computing* 27 (LOO); Frühwirth-Schnatter
    (2004), *Econometrics Journal* 7 (evidence); Kass and Raftery (1995), *JASA*
    90 (what its differences mean); McLachlan (1987), *Applied Statistics* 36 (``blrt``).

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> selection = mx.select(mx.GMM(1), X, range(1, 4), random_seed=1, progressbar=False)
    >>> selection.recommended
    2
    >>> selection.table["bic"].round(1).tolist()
    [2607.8, 2322.7, 2341.5]
    """
    ks = check_numbers(n_components)
    how = Chains(draws=draws, tune=tune, chains=chains, progressbar=False)
    check_whole(1, n_init=n_init, **({} if blrt is None else {"blrt": blrt}))
    asked, data = check_comparison(spec, X, criteria, draws, weights, missing=missing, labels=labels)
    rng = generator(random_seed)
    known = check_fits(fits or {}, spec, data)
    test = None if blrt is None else RatioTest(data, blrt, rng.spawn(1)[0], progressbar)
    run = _Run(spec, data, asked, n_init, how, rng, known, test)
    rows: dict[int, dict[str, Any]] = {}
    by_k: dict[int, tuple[str, ...]] = {}
    notes, status = [], Status.WHOLE
    try:
        for k in track(ks, "clusters", shown=progressbar):
            figures, by_k[k] = run.row(k)
            rows[k] = {**figures, "notes": "; ".join(by_k[k])}
    except KeyboardInterrupt:
        if not rows:
            raise
        status = Status.INTERRUPTED
        notes.append(f"{INTERRUPTED}: of K = {', '.join(map(str, ks))} only those in the table were done")
    table = criteria_table(rows, asked, tested=blrt is not None)
    best = {name: found for name in asked if (found := best_by(table, name)) is not None}
    recommended, rule = recommend(table, best, run.doubtful)
    notes += remarks(run.fits, asked)
    by_bic = best.get("bic")
    if by_bic is not None and status is Status.WHOLE:
        skewed = skewness_note(spec, data, by_bic, float(table.loc[by_bic, "bic"]), rng)
        notes += [skewed] if skewed else []
    return Selection(table, run.fits, run.samples, asked, best, recommended, rule, tuple(notes), status, by_k)


@dataclass(frozen=True)
class _Run:
    """The options of every fit, the fits so far, and the K whose evidence is doubtful."""

    spec: Mixture
    data: Data
    criteria: tuple[str, ...]
    n_init: int
    how: Chains
    rng: np.random.Generator
    known: Mapping[int, EMFit]
    test: RatioTest | None = None
    fits: dict[int, EMFit] = field(default_factory=dict)
    samples: dict[int, xr.DataTree] = field(default_factory=dict)
    doubtful: list[int] = field(default_factory=list)

    def row(self, k: int) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Figures of one K and notes on them, or the reason why it cannot be fitted."""
        try:
            em, notes = self._best_known(*self._fit(k))
        except (InputError, CollapseError, NonMonotoneError) as error:
            return {}, (message_of(error),)
        self.fits[k] = em
        p, n = em.spec.parameter_count(self.data.n_features), self.data.total
        figures: dict[str, Any] = {"log_likelihood": em.log_likelihood, "n_parameters": p}
        per_parameter = {"aic": 2, "bic": np.log(n), "caic": np.log(n) + 1, "sabic": np.log((n + 2) / 24)}
        figures |= {name: -2 * em.log_likelihood + p * each for name, each in per_parameter.items()}
        if p > n:
            notes.append(f"{p} parameters of {n:g} rows: AIC, BIC and similar criteria want far more rows")
        figures["icl"] = figures["bic"] - 2 * _log_assigned(em, self.data)
        figures |= {"n_best": em.restarts.n_best, "n_init": len(em.restarts.log_posterior)}
        if self.test is not None and k - 1 in self.fits:
            tested, doubts = self.test.of(self.fits[k - 1], em)
            figures, notes = figures | tested, notes + doubts
        if set(self.criteria) & set(SAMPLED):
            try:
                sampled, doubts = self._sampled(em)
            except InputError as error:
                sampled, doubts = {}, [message_of(error)]
            figures, notes = figures | sampled, notes + doubts
        return figures, tuple(notes)

    def _best_known(self, em: EMFit, notes: list[str]) -> tuple[EMFit, list[str]]:
        """The fit, or the known fit of the same K if that is not lower."""
        known = self.known.get(em.spec.n_components)
        if known is None or known.log_posterior < em.log_posterior - same_height(em.log_posterior):
            return em, notes
        return replace(known, restarts=replace(em.restarts, best=known.log_posterior)), _fit_notes(known)

    def _fit(self, k: int) -> tuple[EMFit, list[str]]:
        """Fit by EM from random starts and from splits of the fit with one cluster fewer; return the best."""
        spec = resolve(replace(self.spec, n_components=k), self.data)
        fewer = self.fits.get(k - 1)
        try:
            em = complete(fit_em(spec, self.data, n_init=self.n_init, random_seed=self.rng))
        except CollapseError as error:
            found = self._from_splits(spec, fewer, floor=False)
            if found is None:
                raise
            return found, [*_fit_notes(found), worded(f"only a split of K = {k - 1} was fitted: ", error)]
        found = self._from_splits(spec, fewer, floor=True)
        above = -np.inf if found is None else found.log_posterior - em.log_posterior
        if found is None or above < -same_height(em.log_posterior):
            notes = _fit_notes(em)
            if em.restarts.unconfirmed:
                notes.append(worded("the optimum is unconfirmed: raise ", Option("n_init")))
            return em, notes
        if above <= 0:
            return em, _fit_notes(em)
        found = replace(found, restarts=replace(em.restarts, best=found.log_posterior))
        if above <= same_height(em.log_posterior):
            return found, _fit_notes(found)
        return found, [*_fit_notes(found), f"a split of K = {k - 1} is {above:.2g} nats above every restart"]

    def _from_splits(self, spec: Mixture, fewer: EMFit | None, *, floor: bool) -> EMFit | None:
        """Best fit from starts that split each of K - 1 clusters, optionally no worse than K - 1 itself."""
        if fewer is None:
            return None
        loose, best = TOLERANCES.em_step_restart, None
        starts = split_starts(spec, fewer.params, self.data, self.rng)
        for start in islice(starts, 0 if floor else 1, None):
            try:
                em = complete(fit_em(spec, self.data, start=start, tol=loose))
            except CollapseError:
                continue
            best = em if best is None or em.log_posterior > best.log_posterior else best
        if best is None:
            return None
        try:
            best = complete(fit_em(spec, self.data, start=best.params))
        except CollapseError:
            return None
        order = order_by_size(best.params["alpha"], anchored_clusters(self.data))
        return replace(best, params=spec.relabel(best.params, order))

    def _sampled(self, em: EMFit) -> tuple[dict[str, float], list[str]]:
        """Criteria that need a posterior sample."""
        from mixtures.diagnostics.diagnose import diagnose  # PyMC, JAX and ArviZ, only now
        from mixtures.posterior.drawing import draw

        target, keep = MixtureTarget(em.spec, self.data), "loo" in self.criteria
        tree = complete(draw(target, self.how, self.rng, em=em, log_likelihood=keep))
        self.samples[em.spec.n_components] = tree
        figures: dict[str, float] = {}
        notes: list[str] = []
        verdict = diagnose(tree)
        if not verdict.passed:
            failed = ", ".join(check.name for check in verdict.checks if not check.passed)
            notes.append(f"the posterior sample has not converged ({failed})")
        if "loo" in self.criteria:
            figures, doubts = _loo(tree)
            notes += doubts
        if "evidence" in self.criteria:
            found = marginal_likelihood(em.spec, self.data, tree=tree, random_seed=self.rng)
            figures["log_evidence"] = found.log_marginal_likelihood
            figures["log_evidence_se"] = found.standard_error
            notes += [worded("evidence: ", note) for note in found.notes]
            if found.notes:
                self.doubtful.append(em.spec.n_components)
        return figures, notes


def _fit_notes(em: EMFit) -> list[str]:
    notes = list(em.notes)
    if collapsed := len(em.restarts.collapsed):
        notes.append(f"{collapsed} of {len(em.restarts.log_posterior)} restarts collapsed")
    return notes


def _log_assigned(em: EMFit, data: Data) -> float:
    """Sum over rows of the log probability of their most probable cluster; 0 for labelled rows."""
    log_joint, blocks = em.spec.log_joint(em.params), data.blocks(65_536)
    log_r = np.concatenate([log_softmax(log_joint(block.T), axis=0).max(axis=0) for _, block in blocks])
    if data.labels is not None:
        log_r[known_rows(data.labels)] = 0
    return float(log_r.sum() if data.weights is None else data.weights @ log_r)


def _loo(tree: xr.DataTree) -> tuple[dict[str, float], list[str]]:
    """PSIS-LOO over the rows with hidden clusters summed out; a Pareto k that is NaN counts as bad."""
    from mixtures.diagnostics.loo import loo_of_rows  # loads ArviZ

    if tree["posterior"].sizes["draw"] < 2:
        raise InputError("LOO needs many draws, the tree has one per chain")
    (rows,) = tree["log_likelihood"].data_vars.values()
    found = loo_of_rows(tree["posterior"].to_dataset(), rows)
    k = np.asarray(found.pareto_k)
    bad = int(np.sum(~(np.isfinite(k) & (k <= found.good_k))))
    notes = []
    if not bad <= TOLERANCES.pareto_k_share * k.size:
        notes.append(f"LOO: Pareto k of {bad} of {k.size} rows is over {found.good_k:.2f}: do not trust it")
    figures = {"elpd_loo": found.elpd, "elpd_loo_se": found.se, "p_loo": found.p, "bad_pareto_k": bad}
    return {name: float(value) for name, value in figures.items()}, notes
