"""Further optima of a small problem, from starts of all kinds, without selecting the best.

`fit_em` looks for the best optimum and takes the best of several short runs as a start. To find
the others as well, because the posterior has mass there too, the starts must not be selected.
"""

from functools import partial
from itertools import cycle, islice

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.em.batch import advance
from mixtures.em.climb import BATCH_VALUES
from mixtures.em.kinds import KINDS, Sample
from mixtures.em.natural import has_natural_form
from mixtures.em.pace import is_hopeless
from mixtures.em.problem import Run, problem_of
from mixtures.em.starts import random_starts
from mixtures.families.mixture import Mixture
from mixtures.tolerances import TOLERANCES

__all__ = ["more_optima"]

STEPS, JUDGED = 300, 60
"""Largest number of iterations of a start, and number after which those that stay too low go no further."""


def more_optima(spec: Mixture, rows: Rows, n: int, lowest: float, rng: np.random.Generator) -> list[Run]:
    """Runs from ``n`` starts of all kinds, all in one batch; none where the data are too large for that.

    Those whose pace says that they will not rise to the objective ``lowest`` are left out.
    """
    if not has_natural_form(spec) or rows.n_rows * spec.n_components > BATCH_VALUES:
        return []
    problem = problem_of(spec, rows)
    table = problem.data
    if not isinstance(table, Data):
        return []
    kinds = list(islice(cycle(KINDS), n))
    starts = [start.params for start in random_starts(spec, Sample.of(spec, rows, rng), kinds, rng)]
    go_on = partial(advance, problem, table, tol=TOLERANCES.em_step_bootstrap)
    runs = [run for run in go_on(starts, JUDGED) if run.trace and np.isfinite(run.trace[-1])]
    slow = [run for run in runs if not run.converged and not is_hopeless(run.trace, lowest)]
    ends = go_on([run.params for run in slow], STEPS - JUDGED) if slow else []
    return [run for run in runs if run.converged] + [
        run.then(end) for run, end in zip(slow, ends, strict=True)
    ]
