"""What calibration found, for the docs: a picture of every rank's ECDF, and tables of p-values."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.calibration.experiments import EXPERIMENTS, Experiment
from benchmarks.calibration.posteriors import THIN, TUNE
from benchmarks.calibration.ranks import Ranks
from benchmarks.calibration.uniformity import (
    NULL,
    PROBABILITY,
    band,
    counts_below,
    ecdf_p_value,
    pot_p_value,
    steps,
)
from mixtures.plot.style import COLOURS, INK

DOCS = Path(__file__).parents[2] / "docs"
FIGURE = DOCS / "images" / "calibration.svg"
LABEL_FREE = ("log", "density")
COLUMNS = 3

TEMPLATE = Path(__file__).with_name("page.md")


def p_values(ranks: Ranks) -> dict[str, tuple[float, float]]:
    """The band's p-value and POT-C's, by quantity."""
    tests = (ecdf_p_value, pot_p_value)
    return {name: tuple(test(of, ranks.n_draws) for test in tests) for name, of in ranks.of.items()}


def write(found: Mapping[str, Ranks]) -> None:
    """Write the picture and the page."""
    tested = {name: p_values(ranks) for name, ranks in found.items()}
    FIGURE.parent.mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "calibration"  # the same picture, byte for byte
    draw(found).savefig(FIGURE, metadata={"Date": None})
    (DOCS / "calibration.md").write_text(page(found, tested), encoding="utf-8")


def page(found: Mapping[str, Ranks], tested: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """The page of the docs, every figure from the ranks."""
    right, control, faults, samples = map(of_kind, ("right", "control", "fault", "sample"))
    first = found[right[0].name]
    return TEMPLATE.read_text(encoding="utf-8").format(
        n=first.size,
        n_draws=first.n_draws,
        tune=TUNE,
        thin=THIN,
        priors="\n".join(f"- `{e.case.spec!r}`" for e in right),
        runs="\n".join(run_line(e, found[e.name]) for e in right),
        verdict=verdict({e.name: tested[e.name] for e in right}),
        alt=alt_text(right),
        probability=PROBABILITY,
        fault_case=faults[0].case.name,
        fault_rows=faults[0].case.n_rows,
        fault_size=found[faults[0].name].size,
        faults="\n".join(fault_line(e, tested[e.name]) for e in [*control, *faults]),
        samples="\n".join(sample_line(e, found[e.name], tested[e.name]) for e in samples),
        null=f"{NULL:,}",
        least=1 / NULL,
        tables="\n\n".join(table(e.name, tested[e.name]) for e in right),
    )


def of_kind(kind: str) -> list[Experiment]:
    """Experiments of one kind, in their order."""
    return [experiment for experiment in EXPERIMENTS if experiment.kind == kind]


def run_line(experiment: Experiment, ranks: Ranks) -> str:
    ran_well = f"{100 * ranks.divergent:.2g}% | {max(ranks.autocorrelation.values()):.2f}"
    return f"| {experiment.name} | {experiment.case.n_rows} | {ranks.size:,} | {ran_well} |"


def verdict(tested: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """How many p-values are small, and whether the smallest is too small among so many."""
    every = {(case, name): p[0] for case, of in tested.items() for name, p in of.items()}
    n, below = len(every), sum(p < 1 - PROBABILITY for p in every.values())
    (case, name), least = min(every.items(), key=lambda item: item[1])
    bounded = min(1.0, n * least)
    conclusion = (
        "no sign of a wrong posterior" if bounded > 1 - PROBABILITY else "**a sign of a wrong posterior**"
    )
    return (
        f"Of {n} quantities {below} have a p-value below 0.05; uniform ranks would give {0.05 * n:.1f} on "
        f"average. The smallest is {p_text(least)}, of `{name}` in {case}; times {n}, for having looked at "
        f"so many, it is {p_text(bounded)}: {conclusion}."
    )


def fault_line(experiment: Experiment, tested: Mapping[str, tuple[float, float]]) -> str:
    outside = sum(p < 1 - PROBABILITY for p, _ in tested.values())
    least = min(p for p, _ in tested.values())
    name, (_, pot) = min(tested.items(), key=lambda item: item[1][::-1])
    return f"| {experiment.name} | {outside} of {len(tested)} | {p_text(least)} | {p_text(pot)}, `{name}` |"


def sample_line(experiment: Experiment, ranks: Ranks, tested: Mapping[str, tuple[float, float]]) -> str:
    values = [p for p, _ in tested.values()]
    bounded = min(1.0, len(values) * min(values))
    return (
        f"| {experiment.case.name} | {ranks.size} | {len(values)} | {sum(p < 0.05 for p in values)} "
        f"| {p_text(min(values))} | {p_text(bounded)} |"
    )


def table(name: str, tested: Mapping[str, tuple[float, float]]) -> str:
    """P-values of one case."""
    lines = [f"| {name} | p, ECDF band | p, POT-C |", "|---|---|---|"]
    lines += [f"| `{quantity}` | {p_text(p)} | {p_text(pot)} |" for quantity, (p, pot) in tested.items()]
    return "\n".join(lines)


def p_text(p: float) -> str:
    """Two digits; the least that can be told as a bound."""
    if np.isclose(p, 1 / (NULL + 1), rtol=1e-9) or p < 1e-15:
        return f"< {1 / NULL:.0e}" if p > 1e-15 else "< 1e-15"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def alt_text(right: list[Experiment]) -> str:
    """What the picture shows, for those who cannot see it."""
    names = "; ".join(experiment.name for experiment in right)
    return (
        f"Differences between the ECDFs of ranks and the uniform distribution, with simultaneous bands, for "
        f"{names}; a last row with three posteriors that are wrong on purpose, whose lines leave the band."
    )


def draw(found: Mapping[str, Ranks]) -> plt.Figure:
    """Draw three panels per case, one for each kind of quantity; and a row of faults, a panel each."""
    right, faults = of_kind("right"), of_kind("fault")
    figure, axes = plt.subplots(
        len(right) + 1, COLUMNS, figsize=(13, 3.4 * (len(right) + 1)), layout="constrained", sharex=True
    )
    for row, experiment in zip(axes, right, strict=False):
        for ax, (title, names) in zip(
            row, groups(experiment.case.spec.dims, found[experiment.name]), strict=True
        ):
            lines(ax, found[experiment.name], names)
            ax.set_title(f"{experiment.name}: {title}", fontsize=10)
    for ax, experiment in zip(axes[-1], faults, strict=True):
        ranks = found[experiment.name]
        pot = {name: pot_p_value(of, ranks.n_draws) for name, of in ranks.of.items()}
        lines(ax, ranks, sorted(pot, key=pot.__getitem__)[:3])
        ax.set_title(f"wrong on purpose: {experiment.name}", fontsize=10)
    for ax in axes[-1]:
        ax.set_xlabel("rank of the truth among the draws, as a share")
    for ax in axes[:, 0]:
        ax.set_ylabel("ECDF less uniform,\nshare of simulations")
    return figure


def groups(dims: Mapping[str, tuple[str, ...]], ranks: Ranks) -> Iterator[tuple[str, list[str]]]:
    """Titles and quantities of three panels: free of labels, weights with locations, and what is left."""
    free = [name for name in ranks.of if name.startswith(LABEL_FREE)]
    yield "label-free", free
    weights, *components = dims
    of = {name: [q for q in ranks.of if q.startswith(f"{name}[")] for name in dims}
    if len(components) == 1:  # a panel a cluster
        (name,) = components
        clusters = [[q for q in of[name] if q.startswith(f"{name}[{k}")] for k in (0, 1)]
        yield f"{weights}, {name} of cluster 0", of[weights] + clusters[0]
        yield f"{name} of cluster 1", clusters[1]
    else:
        location, scale = components
        yield f"{weights}, {location}", of[weights] + of[location]
        yield scale, of[scale]


def lines(ax: Axes, ranks: Ranks, names: list[str]) -> None:
    """One line per quantity over the band, at the ranks' own steps."""
    lower, upper = band(ranks.size, ranks.n_draws)
    points = np.concatenate([[0], steps(ranks.n_draws), [1]])
    grey = [np.concatenate([[0], edge, [0]]) for edge in (lower, upper)]
    ax.fill_between(points, *grey, color="#d9d9d9", lw=0, label=f"{PROBABILITY:.0%} band")
    ax.axhline(0, color=INK, lw=0.6)
    black = "log-likelihood" if "log-likelihood" in names else "alpha[0]"
    palette = iter(COLOURS)
    colour_of: dict[str, str] = {black: INK}
    for name in names:
        share = counts_below(ranks.of[name], ranks.n_draws) / ranks.size
        of_cluster_0 = name.replace("[1", "[0")  # the clusters share colours and part by their dashes
        if of_cluster_0 not in colour_of:
            colour_of[of_cluster_0] = next(palette)
        dashes = "-" if of_cluster_0 == name else "--"
        less_uniform = np.concatenate([[0], share, [1]]) - points
        ax.plot(points, less_uniform, color=colour_of[of_cluster_0], ls=dashes, lw=1.4, label=name)
    ncols = 2 if max(map(len, names)) > 16 else 3
    ax.legend(fontsize=7, frameon=False, ncols=ncols, loc="upper center")
    largest = max(upper.max(), *(np.abs(line.get_ydata()).max() for line in ax.lines))
    ax.set_ylim(-1.1 * largest, 1.9 * largest)
    ax.margins(x=0)
