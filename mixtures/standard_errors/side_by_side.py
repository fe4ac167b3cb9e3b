"""Uncertainty of the parameters: information, Laplace, two bootstraps and NUTS in one table.

They answer two questions. The bootstraps show how the estimate would vary over
new data; Laplace and NUTS show the uncertainty that these data and the prior leave;
the information is the large-sample answer to both. They agree on large, well
separated data from the model. If they differ, there is a reason: few rows,
overlapping clusters, a prior that matters, or a wrong model.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_kind, check_share, check_whole, generator
from mixtures.draws import of_sample
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.messages import Option, did_you_mean, worded
from mixtures.posterior.chains import Chains
from mixtures.posterior.target import mixture_target
from mixtures.results.em import EMFit, check_fit
from mixtures.results.uncertainty import Uncertainty

__all__ = ["METHODS", "check_methods", "uncertainty"]

METHODS = ("information", "laplace", "bootstrap", "weighted", "nuts")
"""Names of the methods of `uncertainty`, in the order of the table."""


def uncertainty(
    spec: Mixture,
    X: Any,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    em: EMFit | None = None,
    posterior: xr.DataTree | None = None,
    methods: str | Sequence[str] = "all",
    n_resamples: int = 1000,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    sampler: str = "blackjax",
    ci_prob: float = 0.95,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
) -> Uncertainty:
    """Standard deviations and intervals of every parameter, by several methods side by side.

    Parameters
    ----------
    spec : Mixture
        The model.
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`. Rows that the bootstrap simulates have labels where
        the data have them.
    em : EMFit, optional
        A fit of the same model and data; by default EM is run. Columns are matched
        to those of the fit by name.
    posterior : xarray.DataTree, optional
        A posterior sample of the same model and data, for "nuts"; by default it is
        drawn. Its features are matched by name too.
    methods : "all" or sequence of str, default "all"
        "information": inverse of the observed information at EM, by the delta
        method; intervals are normal, of variances and rates on the scale of logarithms,
        of weights and probabilities on that of logits.
        "laplace": normal approximation in the sampled (unconstrained) space at the
        mode *there*, which is not the MAP; its draws are transformed back.
        "bootstrap": EM on data simulated from the fit.
        "weighted": EM on the data under random weights, ``n Dirichlet(1, ..., 1)``.
        "nuts": the posterior sample.
    n_resamples : int, default 1000
        Replicates of each bootstrap; their sds have a relative error of about
        ``1 / sqrt(2 n_resamples)``.
    draws, tune, chains, sampler
        As in `sample`; Laplace uses the same number of draws.
    ci_prob : float, default 0.95
        Probability of the equal-tailed intervals.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything; a method's answer does not depend on the other methods requested.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Uncertainty
        Table, intervals and draws; after Ctrl-C, of the methods that were finished.

    Raises
    ------
    InputError
        If the data do not fit the model, the prior has no mode, or a method is not known.
    CollapseError
        If every start of EM collapsed.

    References
    ----------
    Louis (1982), *JRSS B* 44; Oakes (1999), *JRSS B* 61; Newton and Raftery (1994), *JRSS B* 56;
    McLachlan and Peel (2000), *Finite Mixture Models*, chapter 2; Gelman et al., *Bayesian Data
    Analysis* (2013), chapter 4.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> u = mx.uncertainty(mx.GMM(2), X, methods=["information", "laplace"], random_seed=1)
    >>> u.table.loc["mu[0, waiting]"].round(2).to_dict()
    {'EM': 79.97, 'information': 0.45, 'laplace': 0.46}
    """
    chosen = check_methods(methods, n_resamples)
    how = Chains(draws=draws, tune=tune, chains=chains, sampler=sampler, progressbar=progressbar)
    if not isinstance(spec, Mixture):
        raise InputError("uncertainty needs a model such as GMM(2): EM and its bootstraps know no other")
    check_share(ci_prob=ci_prob)
    spec.check_mode()
    spec = spec if em is None else check_fit(em, spec)
    if posterior is not None:
        spec, X, posterior = of_sample(spec, X, posterior, weights, missing=missing, labels=labels)
        weights = labels = None
    target = mixture_target(spec, X, weights, missing=missing, labels=labels)
    if em is not None:
        target.check_same(em)
    if posterior is not None:
        target.check_drawn(posterior)
    rng = generator(random_seed)
    from mixtures.standard_errors.methods import compare  # PyMC and JAX, only now

    return compare(
        target, chosen, how, rng, em=em, posterior=posterior, n_resamples=n_resamples, ci_prob=ci_prob
    )


def check_methods(methods: str | Sequence[str], n_resamples: int) -> tuple[str, ...]:
    """Return the names of methods, or of all, in the order of the table; refuse invalid options."""
    check_whole(2, n_resamples=n_resamples)
    if isinstance(methods, str):
        methods = [name.strip() for name in methods.split(",")]
    check_kind(Iterable, "names of methods, or 'all'", methods=methods)
    for name in methods:
        if name not in (*METHODS, "all"):
            hint = did_you_mean(str(name), METHODS)
            own = Option("uncertainty", said="method")
            raise InputError(worded(own, f" {name!r}{hint} is not one of all, {', '.join(METHODS)}"))
    if not methods:
        raise InputError(f"methods is empty; name some of {', '.join(METHODS)}, or all")
    return tuple(name for name in METHODS if name in methods or "all" in methods)
