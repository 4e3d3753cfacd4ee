"""Turn PyTorch training code into AlphaMed federated learning tasks, and run them on this machine.

The names below are the verbs of the `playground` command, with the same arguments and defaults.
"""

import getpass
import importlib
import logging
import os
from typing import TYPE_CHECKING, Any

# `import alphafed` writes ./alphafed.log and turns root logging to DEBUG unless these two loggers exist.
logging.getLogger("alphafed")
logging.getLogger("task")

# Importing torchvision asks for the user's name, which fails in a container whose user has none, there and in the
# processes that are started from here.
try:
    getpass.getuser()
except (KeyError, OSError):
    os.environ["USER"] = f"user{os.getuid()}"

if TYPE_CHECKING:
    from .catalogue import find as find
    from .data.prepare import prepare as prepare
    from .data.verify import verify as verify
    from .engines.run import resume as resume
    from .engines.run import run as run
    from .experiments.check import check as check
    from .experiments.compare import compare as compare
    from .runs.export import export as export
    from .runs.folder import Run as Run
    from .runs.metrics import curves as curves
    from .runs.plots import plot as plot
    from .share.new import new as new
    from .share.pack import pack as pack

# Torch takes seconds to import: each name is imported when it is first used.
_HOMES = {
    "find": "catalogue",
    "prepare": "data.prepare",
    "verify": "data.verify",
    "run": "engines.run",
    "resume": "engines.run",
    "check": "experiments.check",
    "compare": "experiments.compare",
    "export": "runs.export",
    "Run": "runs.folder",
    "curves": "runs.metrics",
    "plot": "runs.plots",
    "new": "share.new",
    "pack": "share.pack",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"alphamed_tutorials has no {name}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
