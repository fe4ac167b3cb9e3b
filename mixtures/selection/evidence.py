"""Marginal likelihood of a mixture: the density of the data with the parameters integrated out.

A mixture's posterior has K! copies, one per labelling. A method that covers only one
of them is wrong by log K!. So target and proposal are restricted to the same set of
labellings, and the others are counted.
"""

from typing import Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_kind, check_whole, generator
from mixtures.clusters.labelled import anchored_of
from mixtures.data.known_labels import anchored_clusters
from mixtures.draws import of_sample
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.interrupts import complete
from mixtures.messages import Option, worded
from mixtures.posterior.chains import Chains
from mixtures.posterior.target import mixture_target
from mixtures.results.evidence import Evidence, standard_error_notes
from mixtures.types import Array

__all__ = ["FEWEST_DRAWS", "marginal_likelihood"]

METHODS = ("bridge", "smc")

FEWEST_DRAWS = 100
"""Draws per chain that a bridge needs: half of them fit its proposal."""


def marginal_likelihood(
    spec: Mixture,
    X: Any,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    tree: xr.DataTree | None = None,
    method: str = "bridge",
    runs: int = 4,
    particles: int = 1000,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
) -> Evidence:
    """Estimate the marginal likelihood of a mixture, with its standard error.

    ``"bridge"`` compares posterior draws with a Gaussian mixture that EM fits to
    them in unconstrained coordinates, repeated for every labelling of the clusters:
    all K! up to five clusters; for more, the labelling of a pivot and those that
    exchange two of its clusters, with the posterior restricted to the same
    labellings, in each of which it has the same share. It is the evidence of the
    part of the posterior that the draws cover, and too small where they lack the part
    in which a cluster has no rows, of which `diagnose` has a check. ``"smc"`` tempers
    particles from the prior to the posterior and needs no draws; it is slower and
    covers all labellings, and that part, by itself.

    Parameters
    ----------
    spec : Mixture
        The model. A "default" prior is made from the data and depends on K, so the
        marginal likelihoods of several K compare models together with their priors.
    X : array_like or frame, shape (n, D)
        The data.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`: the evidence is that of the rows and these labels.
    tree : xarray.DataTree, optional
        Posterior sample of the same model and data, for ``"bridge"``; drawn by
        default. Columns are matched to its features by name.
    method : {"bridge", "smc"}, default "bridge"
        The method of integration.
    runs, particles : int, default 4, 1000
        Independent runs of ``"smc"``, from which its standard error comes, and
        particles in each.
    random_seed : int or numpy.random.Generator, optional
        Seed of everything.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    Evidence
        Log marginal likelihood and its standard error, in nats, and `Evidence.interval`: a
        standard error from few runs is itself uncertain, which the interval allows for.

    Raises
    ------
    InputError
        If the prior is improper, or the tree is not a sample of this model.

    References
    ----------
    Meng and Wong (1996), *Statistica Sinica* 6; Frühwirth-Schnatter (2004),
    *Econometrics Journal* 7 (the standard error, and permuted proposals);
    Gronau et al. (2017), *Journal of Mathematical Psychology* 81; Del Moral,
    Doucet and Jasra (2006), *JRSS B* 68.

    Examples
    --------
    >>> import mixtures as mx
    >>> X = mx.datasets.faithful()
    >>> evidence = mx.marginal_likelihood(mx.GMM(2), X, random_seed=1, progressbar=False)
    >>> round(evidence.log_marginal_likelihood)
    -1168
    """
    if method not in METHODS:
        raise InputError(f"method {method!r} is not one of {', '.join(METHODS)}")
    check_whole(2, runs=runs, particles=particles)
    rng = generator(random_seed)
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    if spec.prior is None and not spec.family.flat_is_proper:
        raise InputError(
            worded(
                Option("prior", None),
                f" of a {type(spec).__name__} is improper: there is no marginal likelihood; use ",
                Option("prior", "default"),
                " or state a prior",
            )
        )
    if tree is not None:
        spec, X, tree = of_sample(spec, X, tree, weights, missing=missing, labels=labels)
        weights = labels = None
    target = mixture_target(spec, X, weights, missing=missing, labels=labels)
    if tree is not None:
        if set(anchored_of(tree)) != set(anchored_clusters(target.data)):
            raise InputError("the sample was drawn with other labels than these: pass the same labels=")
        target.check_drawn(tree)
    from mixtures.posterior.drawing import draw  # PyMC and JAX, only now
    from mixtures.selection.bridge import bridge_sampling

    if method == "smc":
        from mixtures.selection.smc import smc_log_evidence

        compiled, concentration = target.compiled.built, target.spec.weight_concentration
        how: dict[str, Any] = {"runs": runs, "particles": particles, "progressbar": progressbar}
        return _of_runs(smc_log_evidence(compiled, concentration, rng, **how))
    if tree is None:
        tree = complete(draw(target, Chains(progressbar=progressbar), rng, log_likelihood=False))
    draws, anchored = _draws(tree, target.spec), anchored_clusters(target.data)
    return bridge_sampling(target.compiled, target.spec, draws, rng, anchored)


def _of_runs(logs: Array) -> Evidence:
    """Average unbiased estimates of the marginal likelihood; return the log and its standard error."""
    ratios = np.exp(logs - logs.max())
    relative = ratios.std(ddof=1) / np.sqrt(len(ratios)) / ratios.mean()
    log, error, n = float(logs.max() + np.log(ratios.mean())), float(relative), len(logs)
    return Evidence(log, error, f"SMC from the prior, {n} runs", standard_error_notes(error), n - 1)


def _draws(tree: xr.DataTree, spec: Mixture) -> dict[str, Array]:
    """Draws (chain, draw, ...) of every parameter; refuse too few for a bridge."""
    posterior = tree["posterior"].to_dataset()
    draws = {name: posterior[name].transpose("chain", "draw", *own).values for name, own in spec.dims.items()}
    if draws["alpha"].shape[1] < FEWEST_DRAWS:
        raise InputError(f"a bridge needs at least {FEWEST_DRAWS} draws per chain, half to fit its proposal")
    return draws
