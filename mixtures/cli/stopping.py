"""Ctrl-C that turns up as another exception."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

__all__ = ["STOPPED", "stops_at_interrupts"]

STOPPED = 130
"""Exit code after Ctrl-C."""


@contextmanager
def stops_at_interrupts(code: int) -> Iterator[None]:
    """Exit with a code if Ctrl-C was followed by an exception: an import that it cuts short may raise any."""
    noticed = False

    def notice(number: int, frame: FrameType | None) -> None:
        nonlocal noticed
        noticed = True
        signal.default_int_handler(number, frame)

    usual = (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler and current_thread() is main_thread()
    )
    if usual:
        signal.signal(signal.SIGINT, notice)
    try:
        yield
    except (Exception, KeyboardInterrupt):
        if not noticed:
            raise
        sys.exit(code)
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)
