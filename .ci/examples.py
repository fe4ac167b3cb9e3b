"""Run every example in the docstrings of the package that is installed, and say where it is."""

import doctest
import importlib
import pkgutil
import sys
from importlib.metadata import version
from pathlib import Path

import matplotlib

import mixtures

matplotlib.use("Agg")
home = Path(mixtures.__file__).parent
assert home.is_relative_to(sys.prefix), f"mixtures is {home}, not what was installed in {sys.prefix}"
names = [module.name for module in pkgutil.walk_packages([str(home)], "mixtures.")]
modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
results = [doctest.testmod(module, optionflags=flags) for module in (mixtures, *modules)]
failed, tried = (sum(figures) for figures in zip(*((r.failed, r.attempted) for r in results), strict=True))
print(f"pymc-mixtures {version('pymc-mixtures')} in {home}: {tried} lines of examples, {failed} failed")
sys.exit(failed > 0 or tried < 100)
