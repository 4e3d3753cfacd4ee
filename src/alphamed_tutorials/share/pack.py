"""Make what goes to AlphaMed of a task: its code, its data verification, and a notebook that submits it."""

import ast
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

from ..arguments import arguments
from ..catalogue import Target, find
from ..errors import WrongUse
from .code import Code, read_code
from .new import TEMPLATES, new_folder
from .trial import Trial, try_out

PURPOSES = {
    "DatasetVerify.py": "创建任务时上传 / upload it when you create the task",
    "README.md": "步骤 / the steps",
    "requirements.txt": "节点要安装的包 / packages for the nodes to install",
    "src.zip": "上传到演练平台的任务页面 / for the local playground",
    "submit.ipynb": "提交任务 / submits the task",
}
SENT = "随任务发送 / sent with the task"
READ = "创建任务对象时读取，不再发送 / read while the task is made, not sent"


def pack(
    target: Any,
    out: str | Path,
    num_rounds: int | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Make what goes to AlphaMed, and try whether it can be submitted and unpacked in foreign folders.

    The same input gives the same bytes.

    Args:
        target: An example's name, a folder, a file, or a subclass of `FedAvgScheduler`.
        out: The new folder.
        num_rounds: Rounds to run; the target's own number if None.
        settings: Arguments of the scheduler that differ from their defaults.

    Returns:
        `files` and `src.zip` (what the SDK would send), each a list of names with sizes in bytes; `requirements`,
        `warnings`, and the folder as `out`.

    Raises:
        WrongUse: The target, a setting or the folder will not do.
        TutorialError: The task cannot be submitted or unpacked; the text says what to change, and `out` is not made.
    """
    task, place = find(target), Path(out)
    _refuse_unsaved(task)
    if place.exists():
        raise WrongUse(f"{place} exists already and is left as it is: name another folder")
    if not place.parent.is_dir():
        raise WrongUse(f"{place.parent} is no folder: make it first, or name another place")
    with new_folder(place) as folder:
        requirements, trial = _make(folder, task, num_rounds, settings)
        (folder / "src.zip").write_bytes(trial.archive)
        purposes = {**PURPOSES, **dict.fromkeys(trial.brought, READ)}
        names = sorted(
            {"README.md", *(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())}
        )
        listed = {name: purposes.get(name, SENT) for name in names}
        _write_readme(folder, task, trial, listed)
        files = [{"name": name, "bytes": (folder / name).stat().st_size, "purpose": listed[name]} for name in names]
    archived = [{"name": name, "bytes": size} for name, size in trial.archived.items()]
    return {
        "out": str(place),
        "files": files,
        "src.zip": archived,
        "requirements": requirements,
        "warnings": trial.warnings,
    }


def archive(target: Any, num_rounds: int | None, settings: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the `src.zip` that `submit()` would send, and the data verification beside it.

    Args:
        target: As for `pack`.
        num_rounds: Rounds to run; the target's own number if None.
        settings: Arguments of the scheduler that differ from their defaults.

    Raises:
        WrongUse: The target or a setting will not do.
        TutorialError: The task cannot be submitted or unpacked; the text says what to change.
    """
    task = find(target)
    _refuse_unsaved(task)
    with tempfile.TemporaryDirectory() as folder:
        _, trial = _make(Path(folder), task, num_rounds, settings)
        return trial.archive, (Path(folder) / "DatasetVerify.py").read_bytes()


def _refuse_unsaved(task: Target) -> None:
    if task.scheduler is not None or not task.key:
        raise WrongUse(
            f"{task.name} cannot be packed as it lives in this session: save its class in a file, and name that"
        )


def _make(folder: Path, task: Target, num_rounds: int | None, settings: Mapping[str, Any]) -> tuple[list[str], Trial]:
    """Write everything but the README, and try it; return what the nodes have to install, and what came of it."""
    rounds = num_rounds or task.facts.run.rounds
    task.build_scheduler(rounds, settings=settings)  # what its own code says to its settings, before anything is made
    with task.blamed():  # a file that is no Python
        code = read_code(task)
    requirements = list(task.facts.requirements) or code.distributions
    _write(folder, code, requirements, _submit_cells(task, code, rounds, settings))
    return requirements, try_out(folder, code)


def _write(folder: Path, code: Code, requirements: list[str], cells: Mapping[str, str]) -> None:
    """Write everything but the README."""
    for file in sorted(code.files):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(code.root / file, folder / file)
    shutil.copyfile(code.verify_file, folder / "DatasetVerify.py")
    if requirements:
        (folder / "requirements.txt").write_text("\n".join(sorted(requirements)) + "\n", encoding="utf-8")
    notebook = json.loads((TEMPLATES / "pack" / "submit.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = Template("".join(cell["source"])).substitute(cells).splitlines(keepends=True)
    text = json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
    (folder / "submit.ipynb").write_text(text, encoding="utf-8")


def _submit_cells(task: Target, code: Code, rounds: int | None, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the lines of the notebook that import the scheduler and make it."""
    known, class_name = arguments(task.scheduler_class), task.scheduler_class.__name__
    given = dict(settings)
    if rounds is not None and "max_rounds" in known:
        given["max_rounds"] = rounds
    if "seed" in known and known["seed"].is_required:
        given.setdefault("seed", 0)
    values = [f"    {name}={_literal(name, given[name])},\n" for name in known if name in given]
    build = f"scheduler = {class_name}(" + (f"\n{''.join(values)}" if values else "") + ")"
    if rounds is not None and "max_rounds" not in known:
        build += f"\nscheduler.max_rounds = {rounds}"
    return {
        "name": task.name,
        "import_line": f"from {code.scheduler_module} import {class_name}",
        "build_lines": build,
    }


def _literal(name: str, value: Any) -> str:
    """Return a value as Python writes it.

    Raises:
        WrongUse: It cannot be written, only made by code.
    """
    try:
        if ast.literal_eval(repr(value)) == value:
            return repr(value)
    except (ValueError, SyntaxError):
        pass
    raise WrongUse(f"{name}={value!r} cannot be written into the notebook: take a number, a text, or a list of these")


def _write_readme(folder: Path, task: Target, trial: Trial, listed: Mapping[str, str]) -> None:
    rows = "\n".join(f"| `{name}` | {purpose} |" for name, purpose in listed.items())
    text = Template((TEMPLATES / "pack" / "README.md").read_text(encoding="utf-8"))
    content = text.substitute(name=task.name, data_dir=trial.data_dir, files=rows)
    (folder / "README.md").write_text(content, encoding="utf-8")
