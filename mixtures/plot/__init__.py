"""Plots of mixtures with matplotlib. Each takes and returns axes; a cluster has the same colour in all."""

from mixtures.plot.clusters import clusters, scatter
from mixtures.plot.criteria import selection
from mixtures.plot.estimates import estimates
from mixtures.plot.fitting import surface, trace
from mixtures.plot.graph import model_graph
from mixtures.plot.heat import heatmap, images
from mixtures.plot.membership import responsibilities
from mixtures.plot.pairs import pairs
from mixtures.plot.parameters import forest
from mixtures.plot.patterns import missing_patterns
from mixtures.plot.predictive import predictive_density, predictive_scatter
from mixtures.plot.profiles import profiles
from mixtures.plot.statistics import predictive_pairs, predictive_statistic
from mixtures.plot.style import cluster_colour
from mixtures.plot.switching import switching
from mixtures.plot.transforms import loo_pit

__all__ = [
    "cluster_colour",
    "clusters",
    "estimates",
    "forest",
    "heatmap",
    "images",
    "loo_pit",
    "missing_patterns",
    "model_graph",
    "pairs",
    "predictive_density",
    "predictive_pairs",
    "predictive_scatter",
    "predictive_statistic",
    "profiles",
    "responsibilities",
    "scatter",
    "selection",
    "surface",
    "switching",
    "trace",
]


def __dir__() -> list[str]:
    """List public names only."""
    return __all__
