"""What a comparison of numbers of clusters refuses before anything is fitted."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import index
from typing import Any

from mixtures.arguments import check_kind
from mixtures.data.known_labels import check_labels
from mixtures.data.table import Data, row_labels
from mixtures.errors import InputError
from mixtures.families.mixture import Mixture
from mixtures.families.registry import resolve
from mixtures.messages import Option, did_you_mean, worded
from mixtures.posterior.target import MixtureTarget
from mixtures.results.em import EMFit
from mixtures.selection.criteria import CRITERIA, SAMPLED
from mixtures.selection.evidence import FEWEST_DRAWS

__all__ = ["check_comparison", "check_fits", "check_numbers"]


def check_comparison(
    spec: Mixture,
    X: Any,
    criteria: Iterable[str] | str,
    draws: int,
    weights: Any = None,
    *,
    missing: str | None = None,
    labels: Any = None,
) -> tuple[tuple[str, ...], Data]:
    """Check the criteria and data of a comparison before anything is fitted."""
    asked = _check_criteria(criteria)
    check_kind(Mixture, "a model such as GMM(2)", spec=spec)
    if "evidence" in asked and draws < FEWEST_DRAWS:
        needed = Option("draws", FEWEST_DRAWS)
        raise InputError(worded("evidence needs at least ", needed, f" per chain, got {draws}"))
    data = spec.table(replace(X, labels=None) if isinstance(X, Data) else X, weights, missing)
    _check_fitting(spec, data, asked)
    if labels is not None:
        data = replace(data, labels=check_labels(labels, data.obs_id, data.first, row_labels(X)))
    elif isinstance(X, Data):
        data = replace(data, labels=X.labels)
    return asked, data


def _check_criteria(criteria: Iterable[str] | str) -> tuple[str, ...]:
    check_kind(Iterable, "names of criteria, or 'all'", criteria=criteria)
    names = (criteria,) if isinstance(criteria, str) else tuple(criteria)
    for name in names:
        if name not in (*CRITERIA, "all"):
            hint = did_you_mean(str(name), CRITERIA)
            own = Option("criteria", said="criterion", typed="--criteria")
            raise InputError(worded(own, f" {name!r} is not one of {', '.join(CRITERIA)}, or 'all'{hint}"))
    if not names:
        raise InputError(
            worded(Option("criteria", said="no criteria"), f"; give some of {', '.join(CRITERIA)}")
        )
    return tuple(name for name in CRITERIA if name in names or "all" in names)


def check_numbers(n_components: Iterable[int]) -> tuple[int, ...]:
    """Numbers of clusters in ascending order, each once."""
    try:
        ks = tuple(sorted({index(k) for k in n_components}))
    except TypeError as error:
        raise InputError(f"n_components must be whole numbers such as range(1, 7): {error}") from error
    if not ks or ks[0] < 1:
        raise InputError(worded(Option("n_components"), f" must be at least 1, got {list(ks)}"))
    return ks


def check_fits(fits: Mapping[int, EMFit], spec: Mixture, data: Data) -> Mapping[int, EMFit]:
    """Known fits, each of this model and these data."""
    check_kind(Mapping, "a dictionary of fits by their number of clusters", fits=fits)
    for k, em in fits.items():
        check_kind(EMFit, "a fit of fit_em", fits=em)
        if em.spec != resolve(replace(spec, n_components=k), data) or em.features != data.features:
            raise InputError(f"the fit of K = {k} in fits is of another model or other data; leave it out")
        MixtureTarget(em.spec, data).check_same(em)
    return fits


def _check_fitting(spec: Mixture, data: Data, criteria: tuple[str, ...]) -> None:
    resolve(replace(spec, n_components=1), data).check_mode()
    sampled = [name for name in criteria if name in SAMPLED]
    if sampled and spec.prior is None and not spec.family.flat_is_proper:
        raise InputError(
            worded(
                Option("prior", None),
                f" leaves the posterior of a {type(spec).__name__} improper, so there is no "
                f"{' or '.join(sampled)}: use ",
                Option("prior", "default"),
                ", or leave them out of ",
                Option("criteria"),
            )
        )
    if "loo" in criteria and data.weights is not None and (data.weights != 1).any():
        what = "LOO leaves out single rows and does not go with weights; leave it out of "
        raise InputError(worded(what, Option("criteria")))
