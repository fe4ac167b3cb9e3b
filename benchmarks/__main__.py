"""Speed as ratios taken in one run: ``python -m benchmarks``, or with names to run some.

The names are em, density, missing, patterns, optimum, posterior, effective, whole, commands and scaling.
Use an otherwise idle machine, with the peers: ``pip install -c constraints.txt -e ".[bench,dask]"``.
Prints a table, and writes it with the machine and the versions to
``benchmarks/results.json`` and ``docs/benchmarks.md`` if asked: ``--write``. What is written there by the
other names stays if it is of the same machine and versions.
"""

import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks import commands, density, effective, em, missing, optimum, patterns, posterior, scaling, whole
from benchmarks.rounds import Row, markdown

BENCHMARKS = {
    "em": em.run,
    "density": density.run,
    "missing": missing.run,
    "patterns": patterns.run,
    "optimum": optimum.run,
    "posterior": posterior.run,
    "effective": effective.run,
    "whole": whole.run,
    "commands": commands.run,
    "scaling": scaling.run,
}
PACKAGES = (
    "pymc-mixtures",
    "numpy",
    "scikit-learn",
    "pymc",
    "pytensor",
    "jax",
    "blackjax",
    "numba",
    "numpyro",
    "stepmix",
)
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"

PAGE = """# Benchmarks

Written by `python -m benchmarks --write`, which times ours and the peers in turn, so that a slow moment is
slow for all. A ratio above 1 says that the peer takes so many times as long; its range is that of the
rounds. Absolute times are those of one machine: {machine}. Versions: {versions}.

{table}

Densities are timed as each sampler calls them: ours in a loop inside XLA, PyMC's as a compiled function. The
posteriors are one round each, caches being cold only once; a second round is another run. Whole processes are
timed from their start to their end; beside a command are the imports of the libraries it stands on.

A whole default call is `fit_em(GMM(K), X)` with its default prior beside `GaussianMixture(K, n_init=10)`
with its default tolerance, or one with which it comes near the limit. The nats say how much higher the
log-likelihood is where ours ends, at the mode of the posterior.

The floor is the work that no form of EM can do without on one thread: two matrix products and one
exponential of the same shape. An effective draw is counted by the smallest bulk ESS of the means, chain by
chain.

![EM's time by rows, clusters, features and workers, and its memory](images/scaling.svg)
"""


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    named = [name for name in sys.argv[1:] if not name.startswith("--")] or list(BENCHMARKS)
    for name in named:
        rows = []
        for row in BENCHMARKS[name]():
            rows.append(row)
            print("\n".join(markdown([row]).splitlines()[2:]), flush=True)
        if "--write" in sys.argv:
            write(name, rows)


def write(name: str, rows: list[Row]) -> None:
    """Keep the rows of a benchmark with the machine and the versions, and make a page of the docs of all."""
    versions = {package: version(package) for package in PACKAGES}
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    where = {"machine": f"{os.cpu_count()} cores, {system}", "versions": versions}
    written = json.loads(RESULTS.read_text(encoding="utf-8"))
    known = written["rows"] if {key: written[key] for key in where} == where else {}
    known[name] = [asdict(row) for row in rows]
    RESULTS.write_text(json.dumps({**where, "rows": known}, indent=1) + "\n", encoding="utf-8")
    listed = ", ".join(f"{package} {v}" for package, v in versions.items())
    every = [Row(**row) for each in BENCHMARKS for row in known.get(each, [])]
    page = PAGE.format(machine=where["machine"], versions=listed, table=markdown(every))
    (ROOT / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
