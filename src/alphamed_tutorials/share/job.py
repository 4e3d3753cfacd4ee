"""Submit a task as in AlphaMed's notebook, and receive it as on a node: what `pack` runs in clean processes."""

import json
import os
import pickle
import shutil
import site
import sys
import sysconfig
from pathlib import Path
from typing import Any

sys.modules["alphamed_tutorials"] = None  # type: ignore[assignment]  # AlphaMed has it neither


def watch_missing(folder: Path, origin: Path, bring: bool) -> list[str]:
    """Notice what is to be read below a folder and lies only where the task comes from.

    Args:
        folder: Where the task's code lies now.
        origin: Where it comes from.
        bring: Copy such a file, in the moment before it is opened.

    Returns:
        Paths relative to `folder`; grows as code runs.
    """
    found: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str) or "r" not in str(arguments[1]):
            return
        path = Path(os.path.abspath(arguments[0]))
        if path.suffix in (".py", ".pyc") or not path.is_relative_to(folder) or path.exists():
            return
        name = path.relative_to(folder)
        if (origin / name).is_file():
            found.append(name.as_posix())
            if bring:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(origin / name, path)

    sys.addaudithook(watch)
    return found


def find_outside(folder: Path) -> dict[str, str]:
    """Return the file of each imported module that is neither the task's nor installed."""
    places = [str(folder), sys.prefix, sys.base_prefix, *site.getsitepackages(), site.getusersitepackages()]
    places += sysconfig.get_paths().values()
    files = {name: getattr(module, "__file__", None) for name, module in dict(sys.modules).items()}
    ours = (__file__, getattr(sys.modules["__main__"], "__file__", None))
    own = {name: file for name, file in files.items() if file and Path(file).is_absolute() and file not in ours}
    return {name: file for name, file in own.items() if not any(Path(file).is_relative_to(place) for place in places)}


def submit(folder: Path, origin: Path) -> dict[str, Any]:
    """Run the cells of `submit.ipynb`; what the SDK would send is kept as `src.zip` beside the folder."""
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    brought = watch_missing(folder, origin, bring=True)
    from alphafed.contractor.task_contractor import TaskContractor

    def keep(contractor: TaskContractor, upload_name: str, fp: Any, persistent: bool) -> str:
        (folder.parent / upload_name).write_bytes(fp.read())
        return "kept"

    TaskContractor.upload_file = keep
    TaskContractor._submit_scheduler = lambda self, resource_url, entry_type: None
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads((folder / "submit.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), "submit.ipynb", "exec"), names)
            names["TASK_ID"] = str(folder.parent / "task")  # the SDK puts its files into /tmp/TASK_ID
    return {"brought": brought, "outside": find_outside(folder)}


def receive(folder: Path, origin: Path) -> dict[str, Any]:
    """Import `DatasetVerify.py` alone, then unpickle the task and build its parts, as far as that goes without data."""
    sys.path.insert(0, str(folder / "verify"))
    from DatasetVerify import DatasetVerify

    DatasetVerify("task", "node")
    sys.path[0] = str(folder / "src")
    missing = watch_missing(folder / "src", origin, bring=False)
    scheduler = pickle.loads((folder / "src" / "entry.pickle").read_bytes())
    for name in ("build_model", "build_train_dataloader", "build_test_dataloader"):
        try:
            getattr(scheduler, name)()
        except Exception:
            continue  # most want the node's data; only what they look for beside the code counts here
    return {"missing": missing, "data_dir": str(getattr(scheduler, "data_dir", ""))}


def main(step: str, folder: str, origin: str) -> dict[str, Any]:
    """Do one step and return what came of it.

    Args:
        step: `submit` or `receive`.
        folder: Where the task's code lies now.
        origin: Where it comes from.
    """
    return {"submit": submit, "receive": receive}[step](Path(folder), Path(origin))
