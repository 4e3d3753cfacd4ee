"""What can be run: an example of ours, a folder, a file, a class or an object of the reader's own."""

import contextlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

from .facts import FactsError
from .importing import TargetError, make_importable
from .target import EXAMPLES, Target, not_fed_avg

__all__ = ["EXAMPLES", "Target", "TargetError", "find", "find_all", "find_damaged"]


def find_all() -> list[Target]:
    """Return our own examples in the order in which they are meant to be read; a damaged one is left out."""
    found = []
    for target in _examples():
        with contextlib.suppress(FactsError):
            found.append((target.facts.order or 1_000_000, target.name, target))
    return [target for *_, target in sorted(found, key=lambda each: each[:2])]


def find_damaged() -> dict[str, str]:
    """Return what is wrong with the examples that `find_all` leaves out, by name."""
    damaged = {}
    for target in _examples():
        try:
            _ = target.facts
        except FactsError as error:
            damaged[target.name] = str(error)
    return damaged


def find(target: Any) -> Target:
    """Find what is to be run.

    Args:
        target: The name of an example of ours; a folder; a file, or `FILE.py:CLASS`; a subclass of `FedAvgScheduler`,
            or an object of one.

    Raises:
        TargetError: There is nothing of that name; the text lists the examples there are.
    """
    if isinstance(target, Target):
        return target
    if not isinstance(target, str | Path):
        return _of_class(target)
    text = str(target)
    if text.isidentifier() and (EXAMPLES / text / "example.toml").exists():
        return _example(EXAMPLES / text)
    path, _, class_name = text.partition(":") if ".py:" in text else (text, "", "")
    place = Path(path).expanduser().resolve()
    if place.suffix == ".ipynb":
        raise TargetError(f"{path} is a notebook: save its code as a .py file first, and name that")
    if place.is_file() and place.suffix == ".py":
        make_importable(place.stem, place)
        return Target(place.stem, place.parent, file=place, class_name=class_name)
    if place.is_dir() and any(place.glob("*.py")):
        if place.parent == EXAMPLES:
            return _example(place)
        make_importable(place.name, place)
        return Target(place.name, place, place.name)
    names = ", ".join(example.name for example in find_all())
    what = (
        f"{path} is a folder without a Python file" if place.is_dir() else f"there is no example, folder or file {path}"
    )
    raise TargetError(f"{what}: choose one of {names}, or name a folder or a .py file of your own")


def _examples() -> list[Target]:
    return [_example(file.parent) for file in sorted(EXAMPLES.glob("*/example.toml"))]


def _example(folder: Path) -> Target:
    return Target(folder.name, folder, f"{__package__}.examples.{folder.name}")


def _of_class(given: Any) -> Target:
    """Return the target of a class or an object."""
    from alphafed.fed_avg import FedAvgScheduler

    kind, scheduler = (given, None) if inspect.isclass(given) else (type(given), given)
    if not issubclass(kind, FedAvgScheduler):
        raise TargetError(not_fed_avg(given))
    try:
        file = Path(inspect.getfile(kind)).resolve()
    except (OSError, TypeError):  # from a notebook or an interactive session
        file = Path(kind.__name__)
    if file.parent.parent == EXAMPLES:
        return replace(_example(file.parent), kind=kind, scheduler=scheduler)
    return Target(kind.__name__, file.parent, file=file, class_name=kind.__name__, kind=kind, scheduler=scheduler)
