"""Starting points of EM: of several kinds, each the best of a few short runs of EM."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import batched, compress, cycle, islice

import numpy as np
from scipy.special import logsumexp, softmax

from mixtures.data.known_labels import exclude, match_labels, one_hot
from mixtures.data.rows import Rows
from mixtures.em.batch import advance, can_advance
from mixtures.em.climb import Climb
from mixtures.em.kinds import KINDS, SOFTNESS, Sample, random_partition, swapped
from mixtures.em.problem import Problem, Run
from mixtures.families.family import ExponentialFamily
from mixtures.families.mixture import Mixture
from mixtures.interrupts import Interrupted
from mixtures.results.em import SWAP, Restarts
from mixtures.threads import one_thread
from mixtures.types import Array, Params

__all__ = ["Portfolio", "Start", "random_starts", "split_starts"]

SHORT_RUNS, SHORT_STEPS, SHORT_ROWS = 6, 10, 2_000
"""Number of short runs of which each start is the best, their iterations, and the most rows that they use."""


SWAP_STEPS = 40
"""The same of swaps after the first round: after few, those on their way back to the fit are the highest."""


MAXIMA_VALUES = 1_000_000
"""Responsibilities times columns of the starts whose M-step is made together."""


SHORT_VALUES = 8_000_000
"""Largest product of rows and parameters for the short runs of a start; a wide model has fewer runs."""


ENOUGH_ROWS, SHARE = 5_000, 5
"""With at least twice as many rows, EM first runs on this number, or on a fifth of all if that is more."""


LOOSE, SAME_OPTIMUM, MOST_OPTIMA = 1e-3, 1e-2, 3
"""Tolerance of these runs, largest difference of equal optima, and number of optima that EM goes on from."""


BEHIND = 3.0
"""Standard errors by which the log-likelihood of an optimum is lower if EM does not go on from it."""


SECOND_ROUND_FROM, THIRD_ROUND_FROM = 3, 4
"""From these numbers of clusters on, all starts of one round, and of two, may agree on a lower optimum."""


MOST, MOST_COSTLY = 8, 4
"""Most starts in multiples of ``n_init``, where they run together and not."""


SWAPS, SWAPS_LATER = 3, 2
"""One start in so many is a swap, in the first round and in later ones: only swaps refute what many reach."""


@dataclass(frozen=True, eq=False)
class Start:
    """Parameters that EM starts from.

    Attributes
    ----------
    kind : str
        How they were found: one of `mixtures.em.kinds.KINDS`, `SWAP` or "given".
    params : dict of ndarray
        The parameters: the same object for starts that reached the same optimum on a sample.
    promising : bool
        Whether EM continues from there with all rows.
    """

    kind: str
    params: dict[str, Array]
    promising: bool = True


def random_starts(
    spec: Mixture, sample: Sample, kinds: Sequence[str], rng: np.random.Generator
) -> list[Start]:
    """Parameters from random responsibilities of these kinds, by one M-step: a start of each.

    Clusters are in random order, or in that which agrees best with the labels of rows.
    Sums over rows are in one order, however many threads there are.
    """
    with one_thread():
        found = _maxima(spec, sample, (_partition(spec, sample, kind, rng) for kind in kinds))
        return [Start(kind, params) for kind, params in zip(kinds, found, strict=True)]


def _partition(spec: Mixture, sample: Sample, kind: str, rng: np.random.Generator) -> Array:
    """Random responsibilities (K, n) of this kind."""
    r = KINDS[kind](sample, spec.n_components, rng)
    return r if sample.labels is None else match_labels(r, sample.labels)


def _maxima(spec: Mixture, sample: Sample, partitions: Iterable[Array]) -> Iterator[dict[str, Array]]:
    """Parameters that maximise the objective given each of these responsibilities (K, n) and the labels."""
    n, d = sample.rows.shape
    one_cluster, X = sample.one_cluster(spec), sample.observed_rows.T
    one_by_one = one_cluster is not None or not isinstance(spec.family, ExponentialFamily)
    together = 1 if one_by_one else max(1, MAXIMA_VALUES // (spec.n_components * n * d))
    for some in batched(partitions, together):
        r = np.stack([one if sample.labels is None else one_hot(one, sample.labels) for one in some])
        r = r if sample.weights is None else r * sample.weights
        if one_by_one:
            yield spec.maximize(spec.expect(one_cluster, X, r[0]))
        else:
            found = spec.maximize(spec.expect(None, X, r))
            yield from ({name: x[i] for name, x in found.items()} for i in range(len(r)))


def _maximum(spec: Mixture, sample: Sample, r: Array) -> dict[str, Array]:
    """The same of responsibilities (K, n)."""
    return next(_maxima(spec, sample, [r]))


@dataclass(frozen=True, eq=False)
class Portfolio:
    """The starts of a search: rounds of several kinds, each with swaps in the best fit so far.

    Attributes
    ----------
    climb : Climb
        How EM is run from a start.
    sample : Sample
        Rows that the starts use.
    rng : numpy.random.Generator
        Source of randomness.
    n_init : int
        Starts in a round. A single start is never repeated.
    optima : list of Run
        Where EM has ended on some of the rows so far, if it begins there.
    """

    climb: Climb
    sample: Sample
    rng: np.random.Generator
    n_init: int
    optima: list[Run] = field(default_factory=list)

    @property
    def problem(self) -> Problem:
        """What is maximised."""
        return self.climb.problem

    @property
    def most(self) -> int:
        """Largest number of starts: fewer where they cost more."""
        if self.n_init == 1:
            return 1
        return self.n_init * (MOST if self.climb.runs_together else MOST_COSTLY)

    def next(self, done: Restarts) -> list[Start]:
        """The next starts after those of the record; none when the search is over.

        While the best optimum, which swaps may have raised, is unconfirmed, every round makes as many starts
        as there are already, up to `most`: many run together in little more time than few. A second round is
        made too where there may be more optima: with three clusters or more, or if the first ends at several;
        and if these do, with four clusters or more, a third, of swaps alone, which can refute the best.
        """
        made = len(done.kinds)
        first, last = 0, self.n_init  # of this round
        while made >= last:
            first, last = last, 2 * last
        if made > first and len(done.order):
            return self.swaps(done.params[done.winner], last - made, SWAP_STEPS if first else SHORT_STEPS)
        k = self.problem.spec.n_components
        confirmed = first > 0 and done.confirmed
        if first == self.most or (confirmed and not self._again(first, k, done.share)):
            return []
        if confirmed and first > self.n_init:
            return self.swaps(done.params[done.winner], last - first, SWAP_STEPS)
        swaps = (last - first) // (SWAPS_LATER if first else SWAPS) if k > 1 else 0
        return self.draw(last - max(first + swaps, made), made)

    def _again(self, made: int, k: int, share: float) -> bool:
        """Whether to go on although the best of the starts made so far is confirmed."""
        if made == self.n_init:
            return self.climb.runs_together and (k >= SECOND_ROUND_FROM or share < 1)
        return self.climb.runs_together and k >= THIRD_ROUND_FROM and share < 1 and made == 2 * self.n_init

    def draw(self, n: int, first: int = 0) -> list[Start]:
        """A number of starts, the kinds taking turns from the ``first`` on."""
        kinds = list(islice(cycle(KINDS), first, first + n))
        sample, each = self._short_runs
        return self._best(random_starts(self.problem.spec, sample, np.repeat(kinds, each).tolist(), self.rng))

    def swaps(self, best: Params, n: int, steps: int) -> list[Start]:
        """A number of starts from a fit, each with one cluster taken away and another put elsewhere."""
        spec, (sample, each) = self.problem.spec, self._short_runs
        joint = _log_joint(spec, sample, best)
        alone = spec.prior is not None or not self.problem.may_collapse
        partitions = (swapped(sample, joint, self.rng, may_be_alone=alone) for _ in range(n * each))
        return self._best([Start(SWAP, params) for params in _maxima(spec, sample, partitions)], steps)

    @cached_property
    def _short_runs(self) -> tuple[Sample, int]:
        """Number of rows that short runs use, and number of runs for each start.

        It is a single run where runs are expensive: with hard assignment, or for a family without a
        natural form.
        """
        problem, fewer = self.problem, self.sample.fewer(SHORT_ROWS, self.rng)
        if not can_advance(problem, fewer.data()):
            return self.sample, 1
        values = len(fewer.rows) * problem.spec.parameter_count(problem.data.n_features)
        return fewer, max(1, min(SHORT_RUNS, SHORT_VALUES // values))

    def _best(self, drawn: Sequence[Start], steps: int = SHORT_STEPS) -> list[Start]:
        """The best of every few starts after short runs.

        References
        ----------
        Biernacki, Celeux and Govaert (2003), *Computational Statistics & Data Analysis* 41.
        """
        sample, each = self._short_runs
        starts = [Start(start.kind, {**start.params, **self.problem.held}) for start in drawn]
        if each == 1:
            return self._on_some(starts)
        most = min(steps, self.climb.max_iter)
        runs = advance(self.problem, sample.data(), [start.params for start in starts], most)
        groups = [range(i, i + each) for i in range(0, len(runs), each)]
        best = [max(group, key=lambda i: runs[i].height) for group in groups]
        return self._on_some([Start(starts[i].kind, runs[i].params) for i in best])

    @cached_property
    def _some(self) -> Sample | None:
        """Rows that EM runs on first, a fraction of all; None where it runs on all from the beginning."""
        n = self.sample.drawn_from
        size = min(max(ENOUGH_ROWS, n // SHARE), len(self.sample.rows))
        return self.sample.fewer(size, self.rng) if self.n_init > 1 and n >= 2 * size else None

    def _on_some(self, starts: list[Start]) -> list[Start]:
        """Where EM ends on some of the rows; with all rows it continues from the best few of these.

        It also continues where it collapsed, to collapse there too: a height would look like an optimum.
        """
        if self._some is None:
            return starts
        some = self._some.data()
        problem = replace(self.problem, data=some)
        try:
            with problem.fast_e_step() as kernel:
                climb = replace(self.climb, problem=problem, kernel=kernel, table=some)
                begun = climb.begin([start.params for start in starts], LOOSE)
                runs = [run if run.converged or run.collapse else climb.resume(run, LOOSE) for run in begun]
        except Interrupted as error:  # the runs that it carries are not of all rows
            raise KeyboardInterrupt from error
        ends = [self._optimum(run) for run in runs]
        best = sorted(
            {id(end): end for end in ends if not end.collapse}.values(), key=lambda end: -end.height
        )
        promising = self._promising(best[:MOST_OPTIMA])
        return [
            Start(start.kind, end.params, any(end is other for other in promising) or bool(end.collapse))
            for start, end in zip(starts, ends, strict=True)
        ]

    def _optimum(self, run: Run) -> Run:
        """The first run that ended at the same optimum of some of the rows."""
        if run.collapse:
            return run
        alike = (other for other in self.optima if abs(other.height - run.height) < SAME_OPTIMUM)
        if (first := next(alike, None)) is None:
            self.optima.append(first := run)
        return first

    def _promising(self, runs: Sequence[Run]) -> list[Run]:
        """Those of these runs on some of the rows whose ends may be the best of all rows.

        References
        ----------
        Vuong (1989), *Econometrica* 57: the test of one model's log-likelihood against another's.
        """
        assert self._some is not None
        spec, some = self.problem.spec, self._some
        best = max(self.optima, key=lambda run: run.height, default=None)
        if best is None or all(run is best for run in runs):
            return list(runs)
        highest, *heights = (logsumexp(_log_joint(spec, some, run.params), axis=0) for run in (best, *runs))
        behind = highest - heights
        mean = np.average(behind, axis=1, weights=some.weights)
        squares = np.average((behind - mean[:, None]) ** 2, axis=1, weights=some.weights)
        n = len(some.rows) if some.weights is None else some.weights.sum()
        may_be_best = mean <= BEHIND * np.sqrt(squares / n)
        return list(compress(runs, may_be_best))


def _log_joint(spec: Mixture, sample: Sample, params: Params) -> Array:
    """Log joint density (K, n) of clusters and rows; -inf for a cluster that a row's label excludes."""
    joint = spec.log_joint(params)(sample.observed_rows.T)
    if sample.labels is not None:
        exclude(joint, sample.labels)
    return joint


def split_starts(
    spec: Mixture, fewer: Params, data: Rows, rng: np.random.Generator
) -> Iterator[dict[str, Array]]:
    """Parameters of K clusters from those of K - 1, ``fewer``, each of which is split in turn.

    The first is one with two clusters in the place of one: no better and no
    worse than K - 1, whatever EM makes of it. The parts of the split cluster come last. With labels the
    clusters keep their places, and only the second part comes last. ``spec`` is resolved, of K clusters.
    """
    k = spec.n_components - 1
    largest = int(np.argmax(fewer["alpha"]))
    halves = spec.relabel(fewer, np.array([*range(k), largest]))
    alpha = halves["alpha"].copy()
    alpha[largest] = alpha[-1] = alpha[largest] / 2
    yield {**halves, "alpha": alpha}
    sample = Sample.of(spec, data, rng)
    r = softmax(_log_joint(spec, sample, fewer), axis=0)
    for cluster in range(k):
        weights = r[cluster] if sample.weights is None else r[cluster] * sample.weights
        if np.count_nonzero(weights > SOFTNESS) < 2:
            continue  # nothing to split
        parts = random_partition(sample.standardised, 2, rng, lloyd=True, weights=weights)
        split = np.vstack([np.delete(r, cluster, axis=0), r[cluster] * parts])
        if sample.labels is not None:
            split = np.insert(np.delete(split, -2, axis=0), cluster, split[-2], axis=0)
        yield _maximum(spec, sample, split)
