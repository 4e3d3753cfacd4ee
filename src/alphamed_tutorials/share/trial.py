"""Try whether a packed task can be submitted and unpacked, in clean processes and foreign folders."""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..clean import JobFailed, Server
from ..errors import TutorialError
from .code import Code

JOB = Path(__file__).with_name("job.py")


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes:
        brought: Files beside the code that are read while the task is made.
        archive: `src.zip` with what the SDK would send; the same content gives the same bytes.
        archived: Size in bytes of each file in it, by name.
        data_dir: Where the task looks for a node's data.
        warnings: What will do, but should be known.
    """

    brought: list[str]
    archive: bytes
    archived: dict[str, int]
    data_dir: str
    warnings: list[str]


def try_out(upload: Path, code: Code) -> Trial:
    """Submit what lies in a folder to a stand-in for the platform, and unpack what came there.

    Args:
        upload: The folder that `pack` fills.
        code: The task's code, for naming the reader's own files.

    Raises:
        TutorialError: It cannot be submitted or unpacked; the text says what to change.
    """
    with Server() as server, tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        shutil.copytree(upload, place / "author")
        sent = _run(server, "submit", place / "author", code)
        node = place / "node"
        (node / "verify").mkdir(parents=True)
        shutil.copy(upload / "DatasetVerify.py", node / "verify")
        with zipfile.ZipFile(place / "src.zip") as archive:
            archive.extractall(node / "src")
            archived = {info.filename: info.file_size for info in sorted(archive.infolist(), key=lambda i: i.filename)}
        _refuse_incomplete(sent, archived, code)
        for file in sorted(set(sent["brought"])):
            (upload / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(place / "author" / file, upload / file)
        received = _run(server, "receive", node, code)
        if received["missing"]:
            raise TutorialError(
                f"on the node the code looks for {', '.join(sorted(set(received['missing'])))} beside itself, which src.zip "
                "does not carry: read it in __init__ and keep its content as an attribute, or let it lie in data_dir"
            )
        entry = (node / "src" / "entry.pickle").read_bytes()
        warnings = [
            f"the task carries a path of this machine, {path}, which no node has: give nodes' folders as data_dir"
            for path in dict.fromkeys((str(code.root), str(Path.home())))
            if path != "/" and path.encode() in entry
        ]
        return Trial(
            sorted(set(sent["brought"])), _zipped(node / "src", archived), archived, received["data_dir"], warnings
        )


def _zipped(folder: Path, names: Iterable[str]) -> bytes:
    """Return an archive of a folder's files that says nothing of when and in which order they were written."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            archive.writestr(info, (folder / name).read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _run(server: Server, step: str, folder: Path, code: Code) -> dict[str, Any]:
    """Run one step in a Python that sees installed packages and the folder, and nothing else of this machine."""
    try:
        found: dict[str, Any] = server.ask(
            JOB, [folder], cwd=folder, step=step, folder=str(folder), origin=str(code.root)
        )
    except JobFailed as error:
        raise TutorialError(_explain(error, step, folder, code)) from None
    return found


def _refuse_incomplete(sent: dict[str, Any], archived: dict[str, int], code: Code) -> None:
    """Refuse a task of which something was imported from elsewhere, or not yet when the SDK packed it."""
    if sent["outside"]:
        name, file = next(iter(sent["outside"].items()))
        raise TutorialError(
            f"the task imports {name} from {file}, which lies outside {_home(code)} and does not travel: move it there"
        )
    late = [file for file in sorted(code.files) if str(file) not in archived]
    if late:
        raise TutorialError(
            f"submit() packs only what is imported by then, and {code.root / late[0]} is imported later, inside a function: "
            "move the import to the top of the file"
        )


def _explain(error: JobFailed, step: str, folder: Path, code: Code) -> str:
    """Return what went wrong as the reader has to see it: in the own file and line, and what to do."""
    file = None
    if error.file:
        place = Path(error.file).relative_to(folder)
        is_verify = place.is_relative_to("verify")
        file = code.verify_file if is_verify else code.root / place.as_posix().removeprefix("src/")
    where = f"{file}, line {error.line}: " if file else ""
    if error.kind not in ("ModuleNotFoundError", "ImportError"):
        what = "imported, made and submitted" if step == "submit" else "unpacked on a node"
        return f"the task cannot be {what} in a clean Python: {where}{error.said}"
    name = error.name.partition(".")[0]
    if file == code.verify_file:
        return f"{where}DatasetVerify.py travels alone, {error.text}: what it needs has to stand in it"
    if code.is_package and (code.root / code.name / f"{name}.py").exists():
        return (
            f"{where}as a part of {code.name}, {name} is not found on a node: write `from .{name} import …` or "
            f"`from . import {name}`"
        )
    if name == "alphamed_tutorials":
        return f"{where}AlphaMed does not have alphamed_tutorials: a task imports nothing of it"
    return (
        f"{where}{error.text}: it neither lies in {_home(code)} nor is it installed. A module of your own: move it "
        "there. A package: pip install it"
    )


def _home(code: Code) -> Path:
    return code.root / code.name if code.is_package else code.root
