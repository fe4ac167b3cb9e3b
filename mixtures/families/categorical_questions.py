"""What a report asks of categorical components; importing this module registers the answers."""

from collections.abc import Sequence

import numpy as np
from scipy.special import xlogy

from mixtures.families.categorical import Categorical, one_hot
from mixtures.families.overlap import log_overlap
from mixtures.families.profiles import Figures, Levels, Profile, item_levels, item_tables, profile
from mixtures.families.questions import Description, cell_summary, describe, summaries
from mixtures.types import Array, Params

__all__: list[str] = []


@describe.register
def describe_categorical(family: Categorical) -> Description:
    """Independent items."""
    return Description(
        "the items are independent of each other, and each level of an item has a probability p",
        r"x_{id} \mid z_i = k \thicksim \operatorname{Categorical}(p_{kd}), \quad d = 1, \dots, D",
        () if family.prior is None else (r"p_{kd} \thicksim \operatorname{Dirichlet}(a_d)",),
    )


@cell_summary.register
def categorical_cells(
    family: Categorical, sets: Sequence[Params], shares: Sequence[Array], X: Array, tail: float
) -> dict[str, Array]:
    """The most probable level, and its probability."""
    row, column = np.nonzero(np.isnan(X.T))
    each = [
        np.einsum("km,kmc->mc", r[:, row], params["p"][:, column])
        for params, r in zip(sets, shares, strict=True)
    ]
    probability = np.mean(each, axis=0)
    return {"level": probability.argmax(axis=-1).astype(float), "probability": probability.max(axis=-1)}


@summaries.register
def categorical_summaries(family: Categorical, X: Array) -> dict[str, Array]:
    """Entropy of the answers to every item, in nats, and association of every two items (Cramér's V)."""
    d = X.shape[1]
    most = max(family.numbers(d))
    hot = one_hot(X.T, most)
    tables = (hot @ hot.T).reshape(d, most, d, most).transpose(0, 2, 1, 3)  # one for every two items
    total = tables.sum(axis=(-2, -1), keepdims=True)
    expected = tables.sum(axis=-1, keepdims=True) * tables.sum(axis=-2, keepdims=True) / np.maximum(total, 1)
    excess = np.divide((tables - expected) ** 2, expected, out=np.zeros_like(tables), where=expected > 0)
    used = [np.count_nonzero(tables.sum(axis=axis) > 0, axis=-1) for axis in (-1, -2)]
    degrees = np.maximum(np.minimum(*used) - 1, 1)
    cells = tables[np.arange(d), np.arange(d)].diagonal(axis1=-2, axis2=-1)
    shares = cells / np.maximum(cells.sum(axis=-1, keepdims=True), 1)
    return {
        "entropy": -xlogy(shares, shares).sum(axis=-1),
        "association": np.sqrt(excess.sum(axis=(-2, -1)) / (degrees * np.maximum(total[..., 0, 0], 1))),
    }


@profile.register
def categorical_profile(
    family: Categorical, draws: Params, features: Sequence[str], levels: Levels = None
) -> Profile:
    """Probability of every level of every item."""
    labels = levels or (None,) * len(features)
    numbers = family.numbers(len(features))
    entries = [
        (d, c, f"{name}: {c if own is None else own[c]}")
        for d, (name, own, count) in enumerate(zip(features, labels, numbers, strict=True))
        for c in range(count)
    ]
    item, level, of = zip(*entries, strict=True)
    p = draws["p"][..., item, level]
    return Profile(
        Figures("probability", of, p),
        p * (1 - p),
        item,
        "probability of the level",
        is_share=True,
        comparable=True,
    )


@item_levels.register
def categorical_levels(family: Categorical, n_features: int) -> tuple[int, ...]:
    """Numbers of levels, as the model has them."""
    return family.numbers(n_features)


@item_tables.register
def categorical_tables(family: Categorical, params: Params) -> Array:
    """The parameters, which are such tables."""
    return params["p"]


@log_overlap.register
def categorical_overlap(family: Categorical, draws: Params) -> Array:
    """``prod_d sum_c sqrt(p_jc p_kc)``."""
    root = np.sqrt(draws["p"])
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.einsum("sjdc,skdc->sjkd", root, root)).sum(axis=-1))
