"""What calibration found, a page a family: a table, a verdict and a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from benchmarks.calibration.everywhere import store
from benchmarks.calibration.everywhere.drawing import CHAINS, DRAWS, Study
from benchmarks.calibration.everywhere.loop import KEPT
from benchmarks.calibration.everywhere.own_model import OwnModel
from benchmarks.calibration.everywhere.studies import STUDIES
from benchmarks.calibration.page import p_text
from benchmarks.calibration.ranks import Ranks
from benchmarks.calibration.uniformity import PROBABILITY, band, counts_below, ecdf_p_value, steps
from mixtures.plot.style import COLOURS, INK

DOCS = Path(__file__).parents[3] / "docs"
FOLDER = DOCS / "calibration"
TEMPLATE = Path(__file__).with_name("page.md")
COLUMNS = 3
ENOUGH = 200
"""Simulations below which the docs say that only gross faults could be seen."""

FEWEST = 20
"""Simulations below which ranks are listed, and neither drawn nor judged."""

PAGES = {
    "gaussian": "Gaussian mixtures",
    "bernoulli": "Bernoulli mixtures",
    "categorical": "latent classes",
    "poisson": "Poisson mixtures",
    "mixed": "columns of several kinds",
    "own_model": "a model of your own",
}

Found = dict[Study | OwnModel, store.Kept]


def write() -> None:
    """Write every page, and the pictures of those with simulations."""
    FOLDER.mkdir(exist_ok=True)
    (DOCS / "images").mkdir(exist_ok=True)
    plt.rcParams["svg.hashsalt"] = "calibration"  # the same picture, byte for byte
    for name in PAGES:
        found = found_of(name)
        if ranked(found):
            figure = draw(found)
            figure.savefig(picture(name), metadata={"Date": None})
            plt.close(figure)
        (FOLDER / f"{name}.md").write_text(page(name, found), encoding="utf-8")


def found_of(name: str) -> Found:
    """What is kept of the studies of a page."""
    return {study: store.read(study) for study in STUDIES if study.page == name}


def picture(name: str) -> Path:
    """Where the picture of a page is."""
    return DOCS / "images" / f"calibration_{name}.svg"


def page(name: str, found: Found) -> str:
    """The text of a page, every figure from the ranks."""
    run = ranked(found)
    waiting = [study.name for study, kept in found.items() if not kept.tried]
    parts = [
        TEMPLATE.read_text(encoding="utf-8").format(
            title=PAGES[name],
            option=name,
            n_draws=KEPT,
            chains=CHAINS,
            draws=DRAWS,
            tried=sum(kept.tried > 0 for kept in found.values()),
            studies=len(found),
        ),
        verdict({study.name: p_values(ranks) for study, ranks in run.items()}),
        caution({study.name: ranks.size for study, ranks in run.items()}),
        table(found),
    ]
    if run:
        alt = "Differences between the ECDFs of ranks and the uniform distribution, with simultaneous bands."
        parts.append(f"```{{image}} ../images/{picture(name).name}\n:alt: {alt}\n:width: 100%\n```")
    if waiting:
        parts.append(f"Not run yet: {'; '.join(waiting)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def ranked(found: Found) -> dict[Study | OwnModel, Ranks]:
    """Ranks of the studies with enough simulations to look at."""
    return {s: kept.ranks for s, kept in found.items() if kept.ranks and kept.ranks.size >= FEWEST}


def p_values(ranks: Ranks) -> dict[str, float]:
    """P-value of the band, by quantity."""
    return {name: ecdf_p_value(of, ranks.n_draws) for name, of in ranks.of.items()}


def verdict(tested: dict[str, dict[str, float]]) -> str:
    """How many p-values are small, and whether the smallest is too small among so many."""
    every = {(study, name): p for study, of in tested.items() for name, p in of.items()}
    if not every:
        return f"**No case has {FEWEST} simulations yet.**"
    n, below = len(every), sum(p < 1 - PROBABILITY for p in every.values())
    (study, name), least = min(every.items(), key=lambda item: item[1])
    bounded = min(1.0, n * least)
    is_wrong = bounded < 1 - PROBABILITY
    said = "**a sign of a wrong posterior**" if is_wrong else "no sign of a wrong posterior"
    return (
        f"Of {n} quantities {below} have a p-value below 0.05; uniform ranks would give {0.05 * n:.1f} on "
        f'average. The smallest is {p_text(least)}, of `{name}` in "{study}"; times {n}, for having looked '
        f"at so many, it is {p_text(bounded)}: {said}."
    )


def caution(sizes: dict[str, int]) -> str:
    """Say that a small run sees only gross faults."""
    if not sizes or min(sizes.values()) >= ENOUGH:
        return ""
    least, most = min(sizes.values()), max(sizes.values())
    number = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"**This is a small run**, of {number} simulations a case. It "
        f"would show a posterior that is far too wide, too narrow or shifted, not a slight fault: that takes "
        f"{ENOUGH} or more."
    )


def table(found: Found) -> str:
    """One line a study that was run."""
    columns = (
        "case",
        "rows",
        "simulations",
        "refused",
        "divergent transitions",
        "autocorrelation of kept draws, largest mean",
        "quantities",
        "below 0.05",
        "smallest p-value",
        "times the number of quantities",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for study, kept in found.items():
        if kept.ranks:
            p = list(p_values(kept.ranks).values())
            lines.append(
                f"| {study.name} | {study.n_rows} | {kept.ranks.size} | {kept.refused} "
                f"| {100 * kept.ranks.divergent:.2g}% | {max(kept.ranks.autocorrelation.values()):.2f} "
                f"| {len(p)} | {sum(x < 1 - PROBABILITY for x in p)} | {p_text(min(p))} "
                f"| {p_text(min(1.0, len(p) * min(p)))} |"
            )
    return "\n".join(lines) if len(lines) > 2 else ""


def draw(found: Found) -> plt.Figure:
    """A panel a study: every quantity in grey, and the three that stray the furthest named."""
    run = ranked(found)
    rows = -(-len(run) // COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(13, 3.6 * rows), layout="constrained", sharex=True, squeeze=False
    )
    for ax, (study, ranks) in zip(axes.flat, run.items(), strict=False):
        panel(ax, ranks)
        ax.set_title(f"{study.name}: {ranks.size} simulations", fontsize=10)
    for ax in axes.flat[len(run) :]:
        ax.set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("ECDF less uniform,\nshare of simulations")
    for ax in axes.flat[max(0, len(run) - COLUMNS) : len(run)]:
        ax.set_xlabel("rank of the truth among the draws, as a share")
        ax.xaxis.set_tick_params(labelbottom=True)
    return figure


def panel(ax: Axes, ranks: Ranks) -> None:
    """One line a quantity over the band of uniform ranks."""
    lower, upper = band(ranks.size, ranks.n_draws)
    points = np.concatenate([[0], steps(ranks.n_draws), [1]])
    edges = [np.concatenate([[0], edge, [0]]) for edge in (lower, upper)]
    ax.fill_between(points, *edges, color="#d9d9d9", lw=0, label=f"{PROBABILITY:.0%} band")
    ax.axhline(0, color=INK, lw=0.6)
    p = p_values(ranks)
    furthest = sorted(p, key=p.__getitem__)[:3]
    palette = iter(COLOURS)
    for name in sorted(ranks.of, key=p.__getitem__, reverse=True):
        share = counts_below(ranks.of[name], ranks.n_draws) / ranks.size
        line = np.concatenate([[0], share, [1]]) - points
        if name in furthest:
            ax.plot(points, line, color=next(palette), lw=1.5, label=f"{name}, p = {p_text(p[name])}")
        else:
            ax.plot(points, line, color="#8a8a8a", lw=0.7)
    ax.legend(fontsize=7, frameon=False, loc="upper center", ncols=2)
    largest = max(upper.max(), *(np.abs(line.get_ydata()).max() for line in ax.lines))
    ax.set_ylim(-1.1 * largest, 1.8 * largest)
    ax.margins(x=0)
