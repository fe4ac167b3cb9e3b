"""Loads the numba draws when PyTensor first compiles for numba, not when the package is imported."""

from importlib import import_module
from typing import Any

from pytensor.compile import optdb
from pytensor.graph.rewriting.basic import GraphRewriter

__all__: list[str] = []


class LoadNumbaDraws(GraphRewriter):
    """A rewrite that changes nothing: that it runs shows that numba is about to be used."""

    def apply(self, fgraph: Any) -> None:
        """Register the draws."""
        import_module("mixtures.distributions.numba_draws")
        import_module("mixtures.distributions.numba_steps")


optdb.register("mixtures_numba_draws", LoadNumbaDraws(), "numba", position=99)
