"""Ranks kept on disk, a file a study, so that a run can be stopped and continued."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.calibration.everywhere.loop import KEPT, Named
from benchmarks.calibration.ranks import Ranks

KEPT_IN = Path(__file__).with_name("store")


@dataclass(frozen=True)
class Kept:
    """Ranks of the data sets that were drawn from, and how many the sampler refused."""

    ranks: Ranks | None = None
    refused: int = 0

    @property
    def tried(self) -> int:
        """Number of simulations made."""
        return self.refused + (0 if self.ranks is None else self.ranks.size)

    def __add__(self, more: tuple[Ranks | None, int]) -> "Kept":
        """With those of more simulations."""
        ranks, refused = more
        both = [r for r in (self.ranks, ranks) if r is not None]
        total = both[0] + both[1] if len(both) == 2 else next(iter(both), None)
        return Kept(total, self.refused + refused)


def path_of(study: Named, folder: Path = KEPT_IN) -> Path:
    """Where the ranks of a study are."""
    name = f"{study.page} {study.name}".lower().replace("%", " percent")
    return folder / f"{re.sub('[^a-z0-9]+', '-', name).strip('-')}.npz"


def keep(study: Named, kept: Kept, folder: Path = KEPT_IN) -> None:
    """Write beside, then move: a run that is killed leaves the last whole file."""
    arrays = {"refused": np.array(kept.refused)}
    if kept.ranks is not None:
        arrays |= {
            "quantities": np.array(list(kept.ranks.of)),
            "ranks": np.array(list(kept.ranks.of.values()), dtype=np.uint8),
            "divergent": np.array(kept.ranks.divergent),
            "autocorrelation": np.array(list(kept.ranks.autocorrelation.values())),
        }
    folder.mkdir(exist_ok=True)
    path = path_of(study, folder)
    beside = path.with_suffix(".new.npz")
    np.savez_compressed(beside, allow_pickle=False, **arrays)
    os.replace(beside, path)


def read(study: Named, folder: Path = KEPT_IN) -> Kept:
    """What `keep` wrote; nothing if there is no file."""
    path = path_of(study, folder)
    if not path.exists():
        return Kept()
    with np.load(path, allow_pickle=False) as arrays:
        refused = int(arrays["refused"])
        if "ranks" not in arrays:
            return Kept(None, refused)
        names, ranks = arrays["quantities"].tolist(), arrays["ranks"].astype(int)
        return Kept(
            Ranks(
                dict(zip(names, ranks, strict=True)),
                KEPT,
                float(arrays["divergent"]),
                dict(zip(names, arrays["autocorrelation"].tolist(), strict=True)),
            ),
            refused,
        )
