"""Every tolerance and threshold behind a verdict, in one frozen table.

Docs and tests quote this table; no other module holds such a number.
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
        The same for a bootstrap replicate, which itself varies by about one standard deviation.
    em_rounding : float
        The objective may fall by this many machine epsilons times the sum of the
        absolute values of the rows' log-likelihoods and the log prior, or by this many
        times the change of that sum when every parameter changes by one epsilon,
        whichever is more. A step this many times that change is still rounding.
    natural_loss : float
        The natural form of a density is used if it loses less than this of each
        row's log density and moves EM by less than a tenth of its stopping tolerance.
    same_optimum : float
        Two optima are one when their log posteriors differ by less (nats).
    collapsed_sd : float
        A Gaussian cluster has collapsed when its smallest conditional standard
        deviation is below this fraction of the data's.
    empty_count : float
        A cluster is empty when its expected number of rows is below this.
    undecided : float
        A row is assigned to no cluster when the rounding error of its log density exceeds this (nats),
        unless the most likely cluster is ahead by far more.
    boundary : float
        A probability this close to 0 or 1, or a weight this close to 0, is on its boundary.
    map_gradient : float
        Largest gradient component of a MAP estimate in unconstrained coordinates.
    map_distance_sd : float
        Alternatively, the largest distance left by Newton's method, in posterior sds: if clusters are far
        tighter than the data, rounding alone makes the gradient larger than ``map_gradient``.
    map_gradient_polish : float
        Newton steps go on until the gradient is below this, or nothing improves.
    logp_relative : float
        Relative difference of the log posterior in NumPy and in PyMC.
    gradient : float
        Largest component of PyMC's gradient at the EM estimate, unconstrained coordinates.
    gradient_rounding : float
        A gradient also counts as zero when it is below this many times its change when the
        parameters change in their last digits.
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
        A few rows determine the scale of a column when its standard deviation is more than this many times
        that of the other rows.
    single_value : float
        A cluster holds a single value of a column when more than this share of its rows has it.
    misfit : float
        A statistic of the data is beyond the model when it lies outside all replicates, so far that chance
        would do this to any of the statistics in at most this share of data sets.
    below_zero : float
        A Gaussian mixture is doubtful when it puts more than this probability below zero in a column that
        has no negative value.
    skewness : float
        A column is skewed when the absolute value of its skewness is over this.
    strong_bic : float
        One model fits the data better than another when its BIC is lower by more than this ("very strong"
        evidence, Kass and Raftery 1995).
    inside : float
        A probability or weight on its boundary is moved this far inside before it is transformed.
    whitening_floor : float
        Smaller curvatures are raised to this when chains are whitened, so that no direction counts as
        wider than ``1 / sqrt`` of it, in coordinates of order one.
    rhat, ess_per_chain, bfmi : float
        Vehtari et al. (2021) on R-hat and ESS; Betancourt (2016) on E-BFMI.
    proposal_pareto_k : float
        Independent draws are refused when the Pareto k of their importance weights is above this: the
        weights may have no variance (Vehtari et al. 2024).
    proposal_acceptance : float
        They are also refused when fewer than this share of the proposals are accepted.
    proposal_without_rows : float
        And when a larger share of the posterior may lie where a cluster has no rows; they reach some of it.
    normal_pareto_k : float
        Split HMC is refused when the Pareto k of the importance weights of the normal approximation at the
        mode is above this: the weights then have no mean, and the approximation misses part of the posterior.
    split_without_rows : float
        It is refused as well when a larger share of the posterior may lie where a cluster has no rows.
    split_ess : float
        Its draws are refused when the bulk or tail ESS of any coordinate is below this share of the draws.
    single_mode : float
        A posterior has several modes when the largest of them holds less than this share of it.
    labelled_alike : float
        Clusters overlap when relabelling methods label fewer than this share of the draws alike.
    restarts_alike : float
        An optimum is unconfirmed when fewer than this share of the starts, swaps left out, reach it.
    prior_effect : float
        A posterior is sensitive to its prior when it moves by more than this many of its own standard
        deviations if the prior counts twice.
    scaled_ess : float
        A posterior is power-scaled only if its tail effective sample size is above this.
    evidence_se : float
        A marginal likelihood is doubtful when its standard error is over this (nats).
    pareto_k_share : float
        LOO is doubtful when more than this share of the rows has a Pareto k that is not good.
    log_bayes_factor : float
        Marginal likelihoods that differ by less (nats) are taken as equal: "not worth more
        than a bare mention" (Kass and Raftery 1995).
    indistinguishable_se : float
        Two figures that differ by less than this many standard errors of their difference are taken as equal.
    singular : float
        Data are singular when the smallest eigenvalue of their correlation matrix is below this times D; a
        covariance under a prior is singular when a feature's conditional variance given those before it is
        below this share of its variance.
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
    proposal_pareto_k: float = 0.5
    proposal_acceptance: float = 0.2
    proposal_without_rows: float = 0.1
    normal_pareto_k: float = 1.0
    split_without_rows: float = 1e-3
    split_ess: float = 0.1
    single_mode: float = 0.95
    labelled_alike: float = 0.95
    restarts_alike: float = 0.3
    prior_effect: float = 0.5
    scaled_ess: float = 225.0
    evidence_se: float = 0.5
    pareto_k_share: float = 0.0
    log_bayes_factor: float = 1.0
    indistinguishable_se: float = 2.0
    singular: float = 1e-13
    rank: float = 1e-8


TOLERANCES = Tolerances()


def same_height(log_posterior: float) -> float:
    """Difference below which two optima with about this log posterior count as one."""
    return TOLERANCES.same_optimum + 1e-12 * abs(log_posterior)
