"""Finite mixtures for people who know PyMC and ArviZ: one model fitted by EM, MAP and sampling.

The public names are in ``__init__.pyi``. Each is loaded when it is first asked for, so that
``import mixtures`` takes almost no time and EM runs without PyMC, JAX and ArviZ.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
