"""Processes that are timed from their start to their end, with caches of their own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Self

PREFACE = """
import json, time
from contextlib import contextmanager
times = []
@contextmanager
def timed():
    began = time.perf_counter()
    yield
    times.append(time.perf_counter() - began)
"""


class Caches:
    """Folders for all that is compiled, empty at first and removed in the end."""

    def __enter__(self) -> Self:
        self.folder = tempfile.TemporaryDirectory()
        cache = self.folder.name
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "JAX_COMPILATION_CACHE_DIR": f"{cache}/jax",
            "PYTENSOR_FLAGS": f"base_compiledir={cache}/pytensor",
            "NUMBA_CACHE_DIR": f"{cache}/numba",
            "MIXTURES_CACHE": f"{cache}/programs",
        }
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()

    def seconds(self, arguments: Sequence[str]) -> tuple[float, str]:
        """Seconds that a process of Python takes, and what it prints."""
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], env=self.environment, capture_output=True, text=True, check=True
        )
        return time.perf_counter() - began, done.stdout

    def run(self, program: str) -> tuple[float, list[float]]:
        """Seconds that the process of a program takes, and those of its blocks ``with timed():``."""
        whole, printed = self.seconds(["-c", f"{PREFACE}{program}\nprint(json.dumps(times))"])
        return whole, list(json.loads(printed.splitlines()[-1]))
