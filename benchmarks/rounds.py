"""Two or more ways to do one thing, timed in turn in one process, so that a slow moment is slow for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """What one comparison found: seconds by round of ours and of each peer."""

    what: str
    unit: str
    per: float
    seconds: Mapping[str, list[float]]

    def figures(self) -> dict[str, object]:
        """Medians in the unit, and the peers' ratios to ours with their range over the rounds."""
        ours = np.array(self.seconds["ours"])
        found: dict[str, object] = {"what": self.what, "unit": self.unit}
        for name, seconds in self.seconds.items():
            found[name] = float(np.median(seconds) / self.per)
        for name, seconds in self.seconds.items():
            if name != "ours":
                ratios = np.array(seconds) / ours
                found[f"{name} / ours"] = [float(x) for x in (np.median(ratios), ratios.min(), ratios.max())]
        return found


def compare(
    what: str, unit: str, per: float, ways: Mapping[str, Callable[[], float]], rounds: int = 5
) -> Row:
    """Run every way once a round; a way returns the seconds that it took."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    return Row(what, unit, per, seconds)


def markdown(rows: list[Row]) -> str:
    """One line a comparison and peer."""
    lines = ["| what | ours | peer | peer | ratio (median, range) |", "|---|---|---|---|---|"]
    for row in rows:
        found = row.figures()
        if len(row.seconds) == 1:
            lines.append(f"| {row.what} | {found['ours']:.3g} {row.unit} | | | |")
        for name in row.seconds:
            if name == "ours":
                continue
            median, low, high = found[f"{name} / ours"]  # type: ignore[misc]
            lines.append(
                f"| {row.what} | {found['ours']:.3g} {row.unit} | {name} | {found[name]:.3g} {row.unit} "
                f"| {median:.1f} ({low:.1f}–{high:.1f}) |"
            )
    return "\n".join(lines)
