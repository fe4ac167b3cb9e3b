from . import datasets, plot, priors
from .agreement.crosscheck import crosscheck
from .clusters.align import unalign
from .clusters.classification import classification
from .clusters.coclustering import coclustering, coclustering_of_draws
from .clusters.completion import complete
from .clusters.description import describe
from .clusters.partition import point_partition
from .clusters.responsibilities import responsibilities
from .diagnostics.diagnose import diagnose
from .diagnostics.extend import extend
from .diagnostics.loo import loo
from .diagnostics.loo_pit import loo_pit
from .diagnostics.predictive import predictive_checks
from .diagnostics.residuals import bivariate_residuals
from .diagnostics.sensitivity import prior_sensitivity
from .diagnostics.switching import compare_labellings, switching
from .diagnostics.views import by_column, for_summary
from .distributions.bernoulli import BernoulliMixture
from .distributions.categorical import CategoricalMixture
from .distributions.declare import declare
from .distributions.gaussian import GaussianMixture
from .distributions.inverse_wishart import InverseWishart
from .distributions.mixed import MixedMixture
from .distributions.poisson import PoissonMixture
from .em.bound import entropy, lower_bound, q_function
from .em.fit import em_step, fit_em
from .errors import (
    CollapseError,
    ConvergenceWarning,
    DataWarning,
    IdentifiabilityWarning,
    InputError,
    NoApproximation,
    NonMonotoneError,
    PerformanceWarning,
)
from .estimators.clusterer import MixtureClusterer
from .estimators.gaussian import to_sklearn
from .families.bernoulli import BMM
from .families.gaussian_model import GMM
from .families.latent_classes import LCA
from .families.mixed_model import Mixed
from .families.poisson_model import PMM
from .families.registry import resolve
from .posterior.labels import align
from .posterior.map import fit_map
from .posterior.model_rows import model_responsibilities
from .posterior.sample import sample
from .reporting.report import report
from .saving.save import load, save
from .selection.evidence import marginal_likelihood
from .selection.occupied import occupied_clusters
from .selection.select import select
from .standard_errors.side_by_side import uncertainty

__all__ = [
    "BMM",
    "GMM",
    "LCA",
    "PMM",
    "BernoulliMixture",
    "CategoricalMixture",
    "CollapseError",
    "ConvergenceWarning",
    "DataWarning",
    "GaussianMixture",
    "IdentifiabilityWarning",
    "InputError",
    "InverseWishart",
    "Mixed",
    "MixedMixture",
    "MixtureClusterer",
    "NoApproximation",
    "NonMonotoneError",
    "PerformanceWarning",
    "PoissonMixture",
    "align",
    "bivariate_residuals",
    "by_column",
    "classification",
    "coclustering",
    "coclustering_of_draws",
    "compare_labellings",
    "complete",
    "crosscheck",
    "datasets",
    "declare",
    "describe",
    "diagnose",
    "em_step",
    "entropy",
    "extend",
    "fit_em",
    "fit_map",
    "for_summary",
    "load",
    "loo",
    "loo_pit",
    "lower_bound",
    "marginal_likelihood",
    "model_responsibilities",
    "occupied_clusters",
    "plot",
    "point_partition",
    "predictive_checks",
    "prior_sensitivity",
    "priors",
    "q_function",
    "report",
    "resolve",
    "responsibilities",
    "sample",
    "save",
    "select",
    "switching",
    "to_sklearn",
    "unalign",
    "uncertainty",
]
