"""Checks of arguments other than the data, made before anything is computed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np

from mixtures.errors import InputError
from mixtures.messages import Option, counted, shortened, worded

__all__ = ["about", "check_kind", "check_names", "check_share", "check_whole", "cluster_names", "generator"]


@contextmanager
def about(*option: object) -> Iterator[None]:
    """Begin the message of an `InputError` with the option that asked for what is refused.

    Examples
    --------
    >>> with about(Option("columns")):
    ...     raise InputError("there is no column 'b'")
    Traceback (most recent call last):
    mixtures.errors.InputError: columns: there is no column 'b'
    """
    try:
        yield
    except InputError as error:
        raise InputError(worded(*option, ": ", error)) from error


def check_whole(least: int, **numbers: Any) -> None:
    """Refuse a value that is not a whole number or is less than ``least``; the message uses the keywords.

    Examples
    --------
    >>> check_whole(1, draws=1000, chains=0)
    Traceback (most recent call last):
    mixtures.errors.InputError: chains must be at least 1, got 0
    """
    for name, number in numbers.items():
        if not isinstance(number, Integral) or isinstance(number, bool):
            raise InputError(worded(Option(name), f" must be a whole number, got {number!r:.80}"))
        if number < least:
            raise InputError(worded(Option(name), f" must be at least {least}, got {number}"))


def check_kind(kind: type, what: str, **things: Any) -> None:
    """Refuse a value of another type."""
    for name, thing in things.items():
        if not isinstance(thing, kind):
            given = f"the class {thing.__name__}" if isinstance(thing, type) else f"a {type(thing).__name__}"
            raise InputError(f"{name} is {given}; it must be {what}")


def check_share(**numbers: Any) -> None:
    """Refuse a value that does not lie between 0 and 1."""
    for name, number in numbers.items():
        if not isinstance(number, Real) or not 0 < float(number) < 1:
            raise InputError(worded(Option(name), f" must lie between 0 and 1, got {number!r:.80}"))


def check_names(names: Sequence[str], k: int, what: str = "names") -> tuple[str, ...]:
    """Return the names of K clusters; refused unless they are K different texts that are not empty.

    Examples
    --------
    >>> check_names(["short", "long"], 2)
    ('short', 'long')
    """
    if isinstance(names, str | Mapping | Set) or not isinstance(names, Iterable):
        raise InputError(f"{what} must be a sequence of {counted(k, 'name')}, got {names!r:.80}")
    called = tuple(names)
    if not all(isinstance(name, str) and name.strip() for name in called):
        raise InputError(f"{what} must be text that is not empty, got {list(called)!r:.80}")
    if len(called) != k or len(set(called)) < k:
        raise InputError(f"{what} must be {k} different ones, one per cluster, got {shortened(called, 5)}")
    return called


def cluster_names(names: Sequence[str] | None, k: int) -> tuple[str, ...]:
    """Names of K clusters: those given, as `check_names` wants them, or their numbers."""
    return tuple(f"cluster {i}" for i in range(k)) if names is None else check_names(names, k)


def generator(random_seed: Any) -> np.random.Generator:
    """Return the generator that `numpy.random.default_rng` makes of a seed or a generator.

    Examples
    --------
    >>> generator(-1)
    Traceback (most recent call last):
    mixtures.errors.InputError: random_seed is -1; give a whole number from 0 up, or a numpy.random.Generator
    """
    try:
        return np.random.default_rng(random_seed)
    except (TypeError, ValueError) as error:
        raise InputError(
            worded(
                Option("random_seed"),
                f" is {random_seed!r:.80}; give a whole number from 0 up, or a numpy.random.Generator",
            )
        ) from error
