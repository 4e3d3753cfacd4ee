"""Start Python programs that end with whoever started them."""

import os
import signal
import sys

# Has the system end it with its parent, whatever that dies of, and from the very beginning; then becomes the program.
LAUNCH = """
import ctypes, os, sys
PR_SET_PDEATHSIG = 1
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(sys.argv[2]), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("whoever started this is gone")
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


def bound(*arguments: str, by: signal.Signals) -> list[str]:
    """Return the command of a Python program that on Linux outlives neither this process nor the thread that starts it.

    Args:
        arguments: Python's.
        by: The signal that ends it.
    """
    return [sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), str(int(by)), *arguments]
