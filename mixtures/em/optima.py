"""Further optima of a small problem, from starts of all kinds, without selecting the best.

`fit_em` looks for the best optimum and takes the best of several short runs as a start. To find
the others as well, because the posterior has mass there too, the starts must not be selected.
"""

from itertools import cycle, islice

import numpy as np

from mixtures.data.rows import Rows
from mixtures.data.table import Data
from mixtures.em.batch import advance
from mixtures.em.climb import BATCH_VALUES
from mixtures.em.kinds import KINDS, Sample
from mixtures.em.natural import has_natural_form
from mixtures.em.problem import Run, problem_of
from mixtures.em.starts import random_starts
from mixtures.families.mixture import Mixture
from mixtures.tolerances import TOLERANCES

__all__ = ["more_optima"]

STEPS = 300
"""Largest number of iterations of a start."""


def more_optima(spec: Mixture, rows: Rows, n: int, rng: np.random.Generator) -> list[Run]:
    """Runs from ``n`` starts of all kinds, all in one batch; none where the data are too large for that."""
    if not has_natural_form(spec) or rows.n_rows * spec.n_components > BATCH_VALUES:
        return []
    problem = problem_of(spec, rows)
    table = problem.data
    if not isinstance(table, Data):
        return []
    kinds = list(islice(cycle(KINDS), n))
    starts = [start.params for start in random_starts(spec, Sample.of(spec, rows, rng), kinds, rng)]
    runs = advance(problem, table, starts, STEPS, TOLERANCES.em_step_bootstrap)
    return [run for run in runs if run.trace and np.isfinite(run.trace[-1])]
