"""See the package's text."""

import os
import sys
from pathlib import Path

# Code of this package is imported before code of the task can take its names, and before anything is forbidden.
from . import limits
from .assignment import Assignment
from .verification import verify

STEP_BACK = 5  # in niceness: messages and pages go before training, on a machine that has too few cores for all


def main(folder: Path) -> int:
    """Do what a folder's `child.json` says; return what the process ends with."""
    if hasattr(os, "nice"):
        os.nice(STEP_BACK)
    assignment = Assignment.read(folder.resolve())
    os.environ["HOME"] = str(assignment.made("work"))
    os.chdir(assignment.folder / "work")
    sys.dont_write_bytecode = True
    if assignment.kind == "verify":
        prepare(assignment)
        verify(assignment)
        return 0
    if assignment.kind == "export":
        from .exporting import export

        prepare(assignment)
        export(assignment)
        return 0
    from .training import train

    prepare(assignment)
    return train(assignment)


def prepare(assignment: Assignment) -> None:
    """Set the limits, and let the task's code be found."""
    limits.limit_resources(assignment.limits)
    limits.confine(assignment)
    sys.path[:] = [str(assignment.code), *(entry for entry in sys.path if entry)]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
