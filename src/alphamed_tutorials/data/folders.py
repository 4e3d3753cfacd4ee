"""Which folder belongs to which node: a prepared data folder, a folder for each node, or folders named one by one."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from ..errors import WrongUse
from ..target import Target
from ..texts import printable

REMOVE = "remove this file, and the data are taken as they lie, or prepare another folder"
AGGREGATOR = "aggregator"  # the node that tests; all others own training data
# What file managers, archives and network drives leave behind, in lower case.
SYSTEM_NAMES = {
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "icon\r",
    "lost+found",
    "system volume information",
    "thumbs.db",
}


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is the system's, never a reader's: `.DS_Store`, `Thumbs.db`, `@eaDir` …"""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def find_nodes(
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = MappingProxyType({}),
    aggregator: str | Path | None = None,
) -> dict[str, Path]:
    """Find the data folder of every node.

    Args:
        data: A prepared folder (with `nodes/…` in it), or any folder with one sub-folder for each node.
        nodes: Folders of data owners by name, instead of those in `data` or beside them.
        aggregator: The folder with the test data, where it is not called `aggregator` in `data`.

    Returns:
        Folder by node: `aggregator` first, then the data owners, `node2` before `node10`.

    Raises:
        WrongUse: A folder is missing, a name will not do, there is no data owner, or none holds the test data.
    """
    found = find_folders(data, nodes, aggregator)
    names = ", ".join(name for name in found if name != AGGREGATOR)
    where = data if data is not None else "what was given"
    if AGGREGATOR not in found:
        raise WrongUse(
            f"{where} does not say which folder holds the test data: call one {AGGREGATOR}, or name it with "
            f"--aggregator DIR (found: {names or 'no folder'})"
        )
    if not names:
        raise WrongUse(f"{where} holds no data owner beside {AGGREGATOR}: add a folder for each, or --node NAME=DIR")
    return found


def find_folders(
    data: str | Path | None = None,
    nodes: Mapping[str, str | Path] = MappingProxyType({}),
    aggregator: str | Path | None = None,
) -> dict[str, Path]:
    """Find the folders there are, as `find_nodes` does, be they enough for a task or not.

    Raises:
        WrongUse: A folder is missing, or a name will not do.
    """
    found = {} if data is None else _inside(Path(data))
    for name in (*found, *nodes):
        refuse_unfit_name(name)
    for name, folder in nodes.items():
        _refuse_taken(name, found)
        found[name] = _existing(folder, f"of node {name}")
    if aggregator is not None:
        tests = _existing(aggregator, "with the test data").resolve()
        found = {name: folder for name, folder in found.items() if folder.resolve() != tests or name in nodes}
        found[AGGREGATOR] = tests
    return dict(sorted(found.items(), key=lambda item: node_order(item[0])))


def _inside(data: Path) -> dict[str, Path]:
    """Return the sub-folders that are nodes."""
    if not data.is_dir():
        raise WrongUse(
            f"{data}: there is no such data folder; name one that holds a folder for each node, or make one with: "
            f"playground prepare EXAMPLE --out {shlex.quote(str(data))}"
        )
    home = data / "nodes" if (data / "nodes").is_dir() else data
    return {path.name: path for path in home.iterdir() if path.is_dir() and not is_system_name(path.name)}


def refuse_unfit_name(name: str) -> None:
    """Refuse a node's name that could be no file's.

    Raises:
        WrongUse: The text says what a name may be.
    """
    if not name.strip() or name.startswith(".") or re.search(r"[/\\\n\t]", name) or printable(name) != name:
        raise WrongUse(
            f"{name!r} is no name for a node: it names files and stands in tables, so take letters, digits and blanks, "
            "in UTF-8; a folder that is called so has to be renamed"
        )


def _refuse_taken(name: str, known: Mapping[str, Path]) -> None:
    if name == AGGREGATOR:
        raise WrongUse(
            f"a data owner cannot be called {AGGREGATOR}: give the folder with the test data as --aggregator DIR"
        )
    if name in known:
        raise WrongUse(f"there are two nodes {name}: give each a name of its own")


def _existing(folder: str | Path, what: str) -> Path:
    if not Path(folder).is_dir():
        raise WrongUse(f"{folder}, the folder {what}, is no folder: name one that exists")
    return Path(folder)


def own_data(task: Target) -> Path | None:
    """Return the folder `data` that lies in a target's own folder; None where the target can make embedded data.

    Raises:
        WrongUse: The target has neither.
    """
    if task.has_prepare:
        return None
    if task.file is None and (task.folder / "data").is_dir():
        return task.folder / "data"
    raise WrongUse(
        f"{task.name} brings no data of its own: name a folder that holds one folder for each node with --data DIR, or "
        "each node's folder with --node NAME=DIR (repeated) and --aggregator DIR"
    )


def prepared_facts(data: str | Path | None) -> dict:
    """Return the content of a prepared folder's `prepare.json`; nothing where it was not prepared here.

    Raises:
        WrongUse: The file is damaged.
    """
    file = Path(data or ".") / "prepare.json"
    if data is None or not file.exists():
        return {}
    try:
        facts = json.loads(file.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise WrongUse(f"{file} is no UTF-8 text: save it as UTF-8, or {REMOVE}") from None
    except OSError as error:  # no permission, or a folder of that name
        raise WrongUse(f"{file} cannot be read ({error.strerror}): give yourself access, or move it away") from None
    except (ValueError, RecursionError) as error:
        raise WrongUse(f"{file} is damaged ({error}): {REMOVE}") from None
    if not isinstance(facts, dict):
        raise WrongUse(f"{file} is damaged (it holds no object): {REMOVE}")
    return facts


def example_of(folder: Path) -> str:
    """Return what a node's data folder was prepared for; an empty text where it was not prepared here.

    Raises:
        WrongUse: What says so is damaged.
    """
    return str(prepared_facts(folder.parent.parent).get("example", ""))


def is_embedded(data: str | Path | None) -> bool:
    """Return whether a prepared data folder was made without a source; without a `prepare.json` it was not made here."""
    facts = prepared_facts(data)
    return bool(facts) and facts.get("source") is None


def refuse_other_data(data: str | Path | None, data_name: str, target: str) -> None:
    """Refuse a folder that was prepared from another data set.

    Args:
        data: The folder.
        data_name: The data set's name in the target's `example.toml`; empty where it has none.
        target: What the target is called.

    Raises:
        WrongUse: The folder's `prepare.json` names another data set.
    """
    found = prepared_facts(data).get("data")
    if found and data_name and found != data_name:
        raise WrongUse(
            f"{data} was prepared from {found}, and {target} wants {data_name}: prepare another folder with "
            f"playground prepare {target} --out OTHER"
        )


def node_order(node: str) -> tuple:
    """Return what to sort nodes by: `aggregator` first, then the data owners, `node2` before `node10`."""
    words_and_numbers = re.split(r"(\d+)", node)
    return node != AGGREGATOR, [int(part) if i % 2 else part for i, part in enumerate(words_and_numbers)], node
