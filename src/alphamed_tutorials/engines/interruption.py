"""Ctrl-C that is never lost.

Python drops an exception that is raised where nobody can catch it, in what it calls when an object goes away, and torch
has many of these calls; and one that is raised while torch writes or reads comes out as an error about a broken file.
A run that is told to stop in such a moment would go on for hours, or give a wrong reason.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def kept_interrupt() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C, and yield a function that raises it again if it struck and was lost.

    What Ctrl-C did before is done as before. In a thread other than the main one, or where Ctrl-C is ignored, nothing is
    remembered.

    Raises:
        KeyboardInterrupt: In place of an error that came after Ctrl-C.
    """
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    has_struck = False

    def strike(*arguments):
        nonlocal has_struck
        try:
            before(*arguments)
        except KeyboardInterrupt:
            has_struck = True
            raise

    def heed():
        if has_struck:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, strike)
    try:
        yield heed
    except Exception as error:
        if has_struck:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
