"""Progress bars for long computations."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

__all__ = ["counting", "track"]


def track[T](items: Iterable[T], what: str, *, shown: bool, total: int | None = None) -> Iterable[T]:
    """Yield the items, with a bar of how many of ``total`` are done; rich is imported only to show one."""
    if not shown:
        return items
    from rich.progress import track as with_bar

    return with_bar(items, what, total=total, transient=True)


@contextmanager
def counting(what: str, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar of how many of ``total`` are done, reported in steps; any thread may report."""
    if not shown:
        yield lambda done: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)
