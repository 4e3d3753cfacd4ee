"""Start a task of the reader's own: a small one with toy data, or a copy of an example."""

import contextlib
import importlib.util
import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..catalogue import EXAMPLES, Target, find_all
from ..errors import TutorialError, WrongUse

TEMPLATES = Path(__file__).parents[1] / "templates"
SKILLS = Path(__file__).parents[1] / "skills"  # for coding assistants; the project's own `skills` is a link to them
SECTION_MARK = re.compile(r"^[ ]*# --8<--.*\n", re.MULTILINE)  # what the site's pages cut sections by
ORIGIN = """# {name}

本任务复制自示例 `{like}`，可随意修改。
This task is a copy of the example `{like}`; change what you like.

```bash
playground run {name}                 # 在本机运行 / run it on this machine
playground check {name}               # 代码能否在 AlphaMed 上运行 / will it run on AlphaMed?
playground pack {name} --out upload   # 生成要上传的文件 / make what goes to AlphaMed
```
"""


def new(name: str, like: str | None = None, folder: str | Path = ".") -> Path:
    """Write a folder that runs at once.

    Args:
        name: What the task, its folder and its Python package are called.
        like: The example to copy; a small network on toy data, which are made too, if None.
        folder: Where the new folder is to lie.

    Returns:
        The new folder.

    Raises:
        WrongUse: The name will not do, something of that name exists, or there is no such example.
        TutorialError: The toy data could not be made; nothing was left behind.
    """
    place = Path(folder) / name
    _refuse_name(name, place)
    example = _example(like) if like is not None else None
    with new_folder(place) as unfinished:
        if example is None:
            _write_template(name, unfinished)
        else:
            _copy(example, name, unfinished)
    return place


def write_skills(folder: str | Path = "skills") -> list[Path]:
    """Put the skills, which tell a coding assistant how to convert code and to diagnose a run, into a folder.

    Args:
        folder: Where they are to lie; a skill that is there already is left as it is.

    Returns:
        The skills' own folders.
    """
    places = [Path(folder) / skill.name for skill in sorted(SKILLS.iterdir())]
    for place in places:
        if not place.exists():
            shutil.copytree(SKILLS / place.name, place)
    return places


@contextlib.contextmanager
def new_folder(place: Path) -> Iterator[Path]:
    """Yield a folder beside `place` that gets its name once all is written, and vanishes if that fails."""
    unfinished = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        unfinished.chmod(0o755)  # mkdtemp lets nobody else in
        yield unfinished
        if place.exists():
            raise WrongUse(f"{place} has come to exist meanwhile and is left as it is")
        os.rename(unfinished, place)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_name(name: str, place: Path) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise WrongUse(f"{name!r} cannot be imported by Python: take letters, digits and _, as in my_task")
    if (EXAMPLES / name).exists():
        raise WrongUse(
            f"{name} is an example of ours: give yours another name, as in: playground new my_{name} --like {name}"
        )
    if not place.parent.is_dir():
        raise WrongUse(f"{place.parent} is no folder: make it first")
    if place.exists():
        raise WrongUse(f"{place} exists already and is left as it is: take another name")
    module = place.with_suffix(".py")
    if module.exists():
        raise WrongUse(f"{module} lies beside it and would be hidden by a folder of that name: take another name")
    if name in sys.stdlib_module_names or _is_installed(name):
        raise WrongUse(f"{name} is the name of a module that Python or a package brings: take another, as in my_{name}")


def _is_installed(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    return spec is not None and bool({"site-packages", "dist-packages"} & set(Path(spec.origin or "").parts))


def _example(like: str) -> Target:
    examples = {example.name: example for example in find_all()}
    if like not in examples:
        raise WrongUse(f"there is no example {like}: --like takes one of {', '.join(examples)}")
    return examples[like]


def _write_template(name: str, folder: Path) -> None:
    """Write the small task under its name, and make its toy data."""
    class_name = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    for file in sorted((TEMPLATES / "new").iterdir()):
        if file.is_file():
            text = file.read_text(encoding="utf-8").replace("MyTask", class_name).replace("my_task", name)
            (folder / file.name).write_text(text, encoding="utf-8")
    made = subprocess.run([sys.executable, "-I", str(folder / "make_data.py")], capture_output=True, text=True)
    if made.returncode:
        raise TutorialError(f"make_data.py could not make the toy data:\n{made.stderr}")


def _copy(example: Target, name: str, folder: Path) -> None:
    """Copy all of an example, without the marks by which the site's pages show its sections."""
    shutil.copytree(example.folder, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for file in folder.glob("*.py"):
        text = SECTION_MARK.sub("", file.read_text(encoding="utf-8"))
        file.write_text(re.sub(r"\n{4,}", "\n\n\n", text).rstrip("\n") + "\n", encoding="utf-8")
    (folder / "README.md").write_text(ORIGIN.format(name=name, like=example.name), encoding="utf-8")
