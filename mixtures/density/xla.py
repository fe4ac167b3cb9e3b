"""XLA made ready: double precision, its programs on disk, and no fork of a process that runs it."""

import os
from functools import cache
from tempfile import TemporaryFile

import jax
from platformdirs import user_cache_path

from mixtures.errors import PerformanceWarning
from mixtures.messages import warn

__all__ = ["make_ready"]

IMPORTED_IN = os.getpid()
"""The process that owns XLA's threads, which start at the import and which a fork does not have."""


def make_ready() -> None:
    """Prepare for compiling and running programs; refuse a fork of a process that runs JAX."""
    if os.getpid() != IMPORTED_IN:
        raise RuntimeError(
            "this process was forked from one that runs JAX, and JAX would hang in it: start workers "
            "with multiprocessing.get_context('spawn'); only fit_em works in a forked process"
        )
    jax.config.update("jax_enable_x64", True)  # as PyTensor does when it loads JAX
    if jax.config.jax_compilation_cache_dir is None and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", _cache_folder())
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@cache
def _cache_folder() -> str | None:
    """Folder for compiled programs, or None, with a warning, if it cannot be written."""
    folder = user_cache_path("mixtures") / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return str(folder)
    except OSError as error:
        warn(
            f"{folder} cannot be written ({error.strerror or error}): models are compiled anew in every "
            "process; set JAX_COMPILATION_CACHE_DIR to a folder that can",
            PerformanceWarning,
        )
        return None
