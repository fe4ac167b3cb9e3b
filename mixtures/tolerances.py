"""Every tolerance and threshold behind a verdict, in one frozen table.

Docs and tests quote this table; nothing else in the package holds such a number.
"""

from dataclasses import dataclass

__all__ = ["TOLERANCES", "Tolerances", "same_height"]


@dataclass(frozen=True)
class Tolerances:
    """Thresholds of convergence, collapse, agreement and sampling verdicts.

    Attributes
    ----------
    em_step : float
        EM stops when the Aitken-extrapolated distance to its limit is below
        this many complete-data standard deviations.
    em_step_restart : float
        The same while restarts compete; the best one goes on to ``em_step``.
    em_step_certificate : float
        The same for a fit that a certificate will be drawn up for.
    em_step_bootstrap : float
        The same for a bootstrap replicate, whose own scatter is of the order of one.
    em_rounding : float
        The objective may fall by this many machine epsilons of the sum of the
        absolute log-likelihoods of the rows and of the log prior, or by this many
        times what one epsilon in every parameter makes of that sum, where that is
        more; a step is rounding when it is this many times what such an epsilon makes.
    natural_loss : float
        The natural form of a density is used while it loses less than this of each
        row's log density, and moves EM by less than a tenth of what it converges to.
    same_optimum : float
        Two optima are one when their log posteriors differ by less (nats).
    collapsed_sd : float
        A Gaussian cluster has collapsed when its smallest conditional standard
        deviation is below this fraction of the data's.
    empty_count : float
        A cluster is empty when it is expected to hold fewer rows.
    undecided : float
        A row is assigned to no cluster where rounding of its log density is more than this (nats),
        unless the likeliest cluster is ahead by far more.
    boundary : float
        A probability this close to 0 or 1, or a weight this close to 0, is on its boundary.
    map_gradient : float
        Largest gradient component of a MAP estimate in unconstrained coordinates.
    map_distance_sd : float
        Or the farthest that Newton's method has still to go, in posterior sds: where clusters are far
        tighter than the data, rounding alone makes a steeper slope.
    map_gradient_polish : float
        Newton steps go on until the gradient is below this, or nothing improves.
    logp_relative : float
        Relative difference of the log posterior in NumPy and in PyMC.
    gradient : float
        Largest component of PyMC's gradient at the EM estimate, unconstrained coordinates.
    gradient_rounding : float
        A gradient is zero, too, when it is below this many times what a change of the parameters'
        last digits makes of it.
    gap_sd : float
        Largest gap between EM and the MAP that started displaced, in posterior sds.
    flat_curvature, flat_ratio : float
        A direction is flat when the curvature of the log posterior there, in
        unconstrained coordinates of order one, is below the first, or below the
        second times the largest curvature.
    displacement_sd : float
        How far from EM, in posterior sds along every principal axis, the certificate's MAP starts.
    dominating_prior : float
        The prior dominates a covariance when its scatter is over this share of the estimate's.
    inflated_scale : float
        A few rows make the scale of a column when its standard deviation is more than this many times
        that of the other rows.
    single_value : float
        A cluster holds a single value of a column when more than this share of its rows has it.
    misfit : float
        A statistic of the data is beyond the model when it lies outside all replicates, farther than chance
        would have any of the statistics in this share of data sets.
    below_zero : float
        A Gaussian mixture is doubtful when it puts more than this probability below zero in a column that
        never is.
    skewness : float
        A column is skewed when the absolute value of its skewness is over this.
    strong_bic : float
        One model describes data better than another when its BIC is lower by more than this ("very strong"
        evidence, Kass and Raftery 1995).
    inside : float
        A probability or weight on its boundary enters unconstrained coordinates this far inside.
    whitening_floor : float
        Curvatures below this are taken for it when chains are whitened: no direction counts as
        wider than ``1 / sqrt`` of it, in coordinates of order one.
    rhat, ess_per_chain, bfmi : float
        Vehtari et al. (2021) on R-hat and ESS; Betancourt (2016) on E-BFMI.
    labelled_alike : float
        Clusters overlap when relabelling methods label fewer than this share of the draws alike.
    restarts_alike : float
        Restarts of EM disagree when fewer than this share of them reach the best optimum.
    sensitivity : float
        A posterior is sensitive to its prior above this (Kallioinen et al. 2024).
    scaled_ess : float
        A density is raised to a power on more effective draws than these, by its tails.
    evidence_se : float
        A marginal likelihood is doubtful when its standard error is over this (nats).
    pareto_k_share : float
        LOO is doubtful when more than this share of the rows has a Pareto k that is not good.
    log_bayes_factor : float
        Marginal likelihoods that differ by less (nats) are not told apart: "not worth more
        than a bare mention" (Kass and Raftery 1995).
    indistinguishable_se : float
        Two figures that differ by less than so many standard errors of their difference are not told apart.
    singular : float
        Data are singular when the smallest eigenvalue of their correlation is below this times D; a
        covariance under a prior is when a feature's variance given those before it is below this share.
    rank : float
        Singular values below this fraction of the largest count as zero in rank tests.
    """

    em_step: float = 1e-6
    em_step_restart: float = 1e-5
    em_step_certificate: float = 1e-9
    em_step_bootstrap: float = 1e-3
    em_rounding: float = 100.0
    natural_loss: float = 1e-9
    same_optimum: float = 1e-4
    collapsed_sd: float = 1e-7
    empty_count: float = 0.5
    undecided: float = 0.1
    boundary: float = 1e-6
    map_gradient: float = 1e-6
    map_distance_sd: float = 1e-5
    map_gradient_polish: float = 1e-9
    logp_relative: float = 1e-8
    gradient: float = 1e-4
    gradient_rounding: float = 100.0
    gap_sd: float = 1e-4
    flat_curvature: float = 1e-6
    flat_ratio: float = 1e-11
    displacement_sd: float = 0.5
    dominating_prior: float = 0.2
    inflated_scale: float = 10.0
    single_value: float = 0.95
    misfit: float = 0.05
    below_zero: float = 0.01
    skewness: float = 0.5
    strong_bic: float = 10.0
    inside: float = 1e-12
    whitening_floor: float = 0.25
    rhat: float = 1.01
    ess_per_chain: float = 100.0
    bfmi: float = 0.3
    labelled_alike: float = 0.95
    restarts_alike: float = 0.2
    sensitivity: float = 0.05
    scaled_ess: float = 225.0
    evidence_se: float = 0.5
    pareto_k_share: float = 0.0
    log_bayes_factor: float = 1.0
    indistinguishable_se: float = 2.0
    singular: float = 1e-13
    rank: float = 1e-8


TOLERANCES = Tolerances()


def same_height(log_posterior: float) -> float:
    """Difference of log posteriors, about this high, below which two optima are one."""
    return TOLERANCES.same_optimum + 1e-12 * abs(log_posterior)
