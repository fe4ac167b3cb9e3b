"""Finite mixtures for people who know PyMC and ArviZ: EM, MAP and posterior of one model."""

from mixtures import datasets, plot, priors
from mixtures.agreement import crosscheck
from mixtures.bound import entropy, lower_bound, q_function
from mixtures.declaration import declare
from mixtures.diagnostics import diagnose
from mixtures.distributions import BernoulliMixture, GaussianMixture, InverseWishart
from mixtures.em import em_step, fit_em
from mixtures.errors import (
    CollapseError,
    ConvergenceWarning,
    DataWarning,
    IdentifiabilityWarning,
    InputError,
    NoApproximation,
    NonMonotoneError,
    PerformanceWarning,
)
from mixtures.evidence import marginal_likelihood
from mixtures.families import BMM, GMM, resolve
from mixtures.labels import align, unalign
from mixtures.membership import responsibilities
from mixtures.modes import fit_map
from mixtures.occupied import occupied_clusters
from mixtures.partitions import coclustering, point_partition
from mixtures.predictive import loo_pit, predictive_checks
from mixtures.reporting import report
from mixtures.sampling import sample
from mixtures.saving import load, save
from mixtures.selection import select
from mixtures.sensitivity import prior_sensitivity
from mixtures.standard_errors import uncertainty
from mixtures.switches import compare_labellings, switching

__all__ = [
    "BMM",
    "GMM",
    "BernoulliMixture",
    "CollapseError",
    "ConvergenceWarning",
    "DataWarning",
    "GaussianMixture",
    "IdentifiabilityWarning",
    "InputError",
    "InverseWishart",
    "NoApproximation",
    "NonMonotoneError",
    "PerformanceWarning",
    "align",
    "coclustering",
    "compare_labellings",
    "crosscheck",
    "datasets",
    "declare",
    "diagnose",
    "em_step",
    "entropy",
    "fit_em",
    "fit_map",
    "load",
    "loo_pit",
    "lower_bound",
    "marginal_likelihood",
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
    "unalign",
    "uncertainty",
]
