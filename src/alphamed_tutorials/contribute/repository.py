"""Where the project's repository lies: examples with pages grow there, and nowhere else."""

import sys
from pathlib import Path

from ..errors import WrongUse
from ..target import EXAMPLES

HOOKS = "hooks"


def find_repository(folder: Path | None = None) -> Path:
    """Return the repository that a folder lies in, and make its reading of pages importable.

    Args:
        folder: Where to look from; the current folder if None.

    Raises:
        WrongUse: It lies in no repository of the project, or this program does not run from that one.
    """
    start = (folder or Path.cwd()).resolve()
    found = next((place for place in (start, *start.parents) if (place / "mkdocs.base.yml").is_file()), None)
    if found is None:
        raise WrongUse(
            f"{start} is not in the project's repository, where examples with pages grow: clone it, go there, call "
            "`make setup`, and then .venv/bin/playground"
        )
    if not EXAMPLES.is_relative_to(found / "src"):
        raise WrongUse(
            f"this playground runs {EXAMPLES.parent}, not the code of {found}: call `make setup` there, and then "
            ".venv/bin/playground"
        )
    sys.path.insert(0, str(found / HOOKS))
    return found
