"""Posterior sampling of a declared mixture: starts from EM, NUTS inside XLA, labels aligned."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from mixtures.arguments import check_kind, generator
from mixtures.clusters.rules import by_parameters
from mixtures.data.cells import as_numbers
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.messages import Option, worded
from mixtures.posterior.chains import Chains
from mixtures.posterior.target import MixtureTarget, target_of
from mixtures.results.em import EMFit, check_fit
from mixtures.types import DeferredModule

if TYPE_CHECKING:
    import pymc as pm
else:
    pm = DeferredModule("pymc")

__all__ = ["sample"]


def sample(
    spec: "Mixture | pm.Model",
    X: Any = None,
    *,
    weights: Any = None,
    missing: str | None = None,
    labels: Any = None,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 4,
    random_seed: int | np.random.Generator | None = None,
    sampler: str = "blackjax",
    target_accept: float = 0.8,
    max_treedepth: int = 10,
    cores: int | None = None,
    em: EMFit | None = None,
    pivot: Mapping[str, Any] | None = None,
    log_likelihood: bool | None = None,
    log_prior: bool = False,
    progressbar: bool = True,
) -> xr.DataTree:
    """Draw from the posterior of a mixture and align the labels of its clusters.

    Chains start from different EM restarts, each with its clusters in random
    order. Modes that hold more than about 5% of the posterior, by Laplace's approximation, come first:
    NUTS seldom moves between modes, and R-hat then shows that there are several. They are sought from as
    many optima as there are chains, on small data with further starts. The default sampler is BlackJAX's
    NUTS with the whole loop inside XLA, in coordinates whitened by the curvature at each start.

    Parameters
    ----------
    spec : Mixture or pymc.Model
        The model. A user's own model contains its data; its labels are aligned to
        its MAP if its density does not change when clusters are exchanged. The
        axes that index clusters are found from the parameters of its mixture,
        whatever their names; variables computed from the free variables are
        computed again from the aligned ones.
    X : array_like or frame, shape (n, D), optional
        The data; needed with a specification, refused with a ``pymc.Model``.
    weights : array_like, shape (n,), optional
        Frequency weights: a row of weight 2 counts as two rows. Refused with a
        ``pymc.Model``.
    missing : {None, "integrate"}, optional
        "integrate" takes rows with missing cells and integrates these out, as in `fit_em`.
    labels : array_like, shape (n,), optional
        Known clusters of rows, as in `fit_em`. Clusters that have labelled rows keep their numbers:
        chains start in that order, and only the other clusters are aligned. Refused with a
        ``pymc.Model``.
    draws, tune, chains : int, default 1000, 500, 4
        Draws to keep and warm-up draws before them, per chain; number of chains.
    random_seed : int or numpy.random.Generator, optional
        Seed of starts and chains.
    sampler : {"blackjax", "nutpie", "pymc", "laplace", "split_hmc", "auto"}, default "blackjax"
        The sampler: three of NUTS (nutpie needs the extra ``pymc-mixtures[nutpie]``);
        ``"laplace"`` for independent draws, proposed by t distributions at the modes that EM's
        restarts found, with the curvature there, and corrected by Metropolis-Hastings;
        ``"split_hmc"`` for Hamiltonian Monte Carlo about a single mode, with the motion of its normal
        approximation solved exactly (Shahbaba et al. 2014), which takes two gradients a draw or a few
        more; or ``"auto"``: independent draws if the proposals cover the posterior, else split HMC
        if it is close enough to normal, else BlackJAX's NUTS.
        Independent draws move between modes as easily as within one, but only between those found.
        ``tune`` and ``max_treedepth`` are for NUTS: independent draws need no warm-up, and that of split
        HMC has 50 transitions for each number of steps that it tries.
    target_accept : float, default 0.8
        Acceptance rate that the warm-up of NUTS aims at, and that of split HMC reaches at least.
    max_treedepth : int, default 10
        Trajectories have at most ``2**max_treedepth - 1`` steps.
    cores : int, optional
        Number of chains run in parallel; by default the number of processors, but one
        with PyMC's sampler, which starts processes for more: a script then needs
        ``if __name__ == "__main__"``.
    em : EMFit, optional
        A fit of the same model to start from, instead of fitting again; columns are
        matched to those of the fit by name.
    pivot : dict of ndarray, optional
        Parameters whose labels the draws are aligned to; by default those of
        ``em``, or a user's model's MAP.
    log_likelihood : bool, optional
        Whether to store the log-likelihood of every row, marginal over the
        hidden clusters; by default if there are fewer than 2e7 values.
    log_prior : bool, default False
        Whether to store the log prior of every variable.
    progressbar : bool, default True
        Show the progress.

    Returns
    -------
    xarray.DataTree
        Groups posterior, sample_stats (with ``lp``, the sampler's statistics
        and ``permutation``), observed_data, constant_data with the ``weights``, known
        ``labels`` and ``exposure`` of the rows if there are any, and log_likelihood and log_prior
        if stored. Independent draws have ``log_weight`` and ``mode`` in sample_stats, the
        group ``modes`` with the posterior mass of each mode, its standard error, its
        parameters and the log density of its unconstrained coordinates, and in ``attrs`` the
        Pareto k-hat of the importance weights (``pareto_k``),
        ``acceptance``, ``n_proposals`` and ``log_evidence``, the log marginal likelihood, with
        ``log_evidence_se``. Draws by split HMC have ``n_gradients`` and ``n_densities`` in ``attrs``,
        the evaluations of the density with and without its gradient. With ``"auto"``,
        ``attrs["sampler"]`` is what drew, and ``attrs["sampler_note"]`` says why others did not.
        If the labels of a user's model cannot be aligned there is no
        ``permutation``: ``tree.attrs["labels"]`` is then ``"fixed"`` (the model
        allows only one order of the clusters) or ``"unalignable"``, and
        ``tree.attrs["labels_why"]`` says why. After Ctrl-C, or if some chains
        failed, the tree holds the draws that were made: ``tree.attrs["complete"]``
        is 0 and ``tree.attrs["stopped"]`` says why. If there are no draws yet, the
        interrupt is raised.

    Raises
    ------
    InputError
        If the data or options do not fit, or the posterior is improper
        (``prior=None`` for a GMM: a cluster may be empty).
    NoApproximation
        If ``sampler="laplace"`` and the proposals do not cover the posterior: Pareto k-hat
        of their weights above 0.5, fewer than a fifth accepted, no mode found, or a cluster may
        have no rows under more than a tenth of the posterior. If
        ``sampler="split_hmc"`` and there are several modes, or a cluster may have no rows under more
        than a thousandth of the posterior, or it is too far from normal:
        Pareto k-hat of the normal approximation's weights above 1, fewer than ``target_accept`` accepted
        with 8 steps, a divergence, or the effective sample size of a coordinate below a tenth of the draws.

    References
    ----------
    Shahbaba, B., Lan, S., Johnson, W. O. and Neal, R. M. (2014). Split Hamiltonian Monte Carlo.
    Statistics and Computing 24, 339-349.

    Examples
    --------
    >>> import mixtures as mx
    >>> tree = mx.sample(mx.GMM(2), mx.datasets.faithful(), random_seed=1, progressbar=False)
    >>> tree["posterior"]["mu"].mean(("chain", "draw")).round(0).values.tolist()
    [[4.0, 80.0], [2.0, 54.0]]
    """
    how = Chains(
        draws=draws,
        tune=tune,
        chains=chains,
        sampler=sampler,
        target_accept=target_accept,
        max_treedepth=max_treedepth,
        cores=cores,
        progressbar=progressbar,
    )
    if em is not None and isinstance(spec, Mixture):
        spec = check_fit(em, spec)
    target = target_of(spec, X, weights, missing=missing, labels=labels)
    if isinstance(target, MixtureTarget):
        if target.is_improper:
            raise InputError(
                worded(
                    Option("prior", None),
                    f" leaves the posterior of a {type(spec).__name__} improper (a cluster may be "
                    "empty); use ",
                    Option("prior", "default"),
                    " or state a prior",
                )
            )
        if em is not None:
            target.check_numbers(em)
        if pivot is not None:
            _check_pivot(pivot, target)
    else:
        how.check_model()
    rng = generator(random_seed)
    from mixtures.posterior.drawing import draw  # PyMC and JAX, only now

    return draw(target, how, rng, em=em, pivot=pivot, log_likelihood=log_likelihood, log_prior=log_prior)


def _check_pivot(pivot: Mapping[str, Any], target: MixtureTarget) -> None:
    """Refuse a pivot that no draw can be aligned to, before anything is drawn."""
    check_kind(Mapping, "a dict of parameters, such as em.params", pivot=pivot)
    family, shapes = target.spec.family, target.spec.shapes(target.data.n_features)
    if missing := [name for name in family.dims if name not in pivot]:
        raise InputError(f"the pivot lacks {', '.join(missing)}; pass parameters of the same model")
    own = {name: as_numbers(pivot[name], f"the pivot's {name} is not") for name in family.dims}
    for name, x in own.items():
        if x.shape != shapes[name]:
            raise InputError(f"the pivot's {name} has shape {x.shape}; this model has {shapes[name]}")
        if not np.isfinite(x).all():
            raise InputError(f"the pivot's {name} is not finite")
    try:
        by_parameters(family, {name: x[None] for name, x in own.items()}, own)
    except np.linalg.LinAlgError:
        raise InputError("the pivot's covariances are not positive definite") from None
