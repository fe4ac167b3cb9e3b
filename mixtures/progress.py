"""Progress bars for long computations."""

from collections.abc import Iterable

__all__ = ["track"]


def track[T](items: Iterable[T], what: str, *, shown: bool, total: int | None = None) -> Iterable[T]:
    """Yield the items, with a bar of how many of ``total`` are done; rich is imported only to show one."""
    if not shown:
        return items
    from rich.progress import track as with_bar

    return with_bar(items, what, total=total, transient=True)
