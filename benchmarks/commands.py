"""Commands as a user types them, whole processes, beside the imports of the libraries they stand on."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.processes import Caches
from benchmarks.rounds import Row, compare

IMPORTS = ["-c", "import pymc, jax, arviz"]
MODEL = ["faithful", "--model", "gmm", "-k", "2"]


def run() -> Iterator[Row]:
    """The crosscheck with cold caches, then everything with the caches that it leaves."""
    with Caches() as caches:
        report = ["report", *MODEL, "-o", str(Path(caches.folder.name) / "report.html")]
        commands = {
            "--help": ["--help"],
            "crosscheck faithful": ["crosscheck", *MODEL],
            "report faithful": report,
        }

        def both(name: str) -> dict[str, Callable[[], float]]:
            return {
                "ours": lambda: caches.seconds(["-m", "mixtures", *commands[name]])[0],
                "import pymc, jax, arviz": lambda: caches.seconds(IMPORTS)[0],
            }

        both("--help")["import pymc, jax, arviz"]()  # else the first round reads files that no other does
        yield compare("mixtures crosscheck faithful, cold caches", "s", 1.0, both("crosscheck faithful"), 1)
        both("report faithful")["ours"]()
        for name in commands:
            yield compare(f"mixtures {name}, warm caches", "s", 1.0, both(name), 5)
