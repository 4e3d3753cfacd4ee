"""What the tests of every example's `DatasetVerify` share."""

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Cure = Callable[[Path, Path, str], object]  # to the path that is named, with what was there, and what was said
NODE = "hospital"  # the node that asks


def check(kind: type, data_dir: str | Path, splits: tuple[str, ...] = ("train",)) -> tuple[bool, str]:
    """Return what a `DatasetVerify` says of a node's data folder."""
    verify = kind("task", NODE)
    verify.data_dir, verify.required_splits = str(data_dir), splits
    return verify.verify_data()


def assert_refused(kind: type, node: Path, file: str, reason: str, caplog) -> str:
    """Check that damaged data is refused, in words and in the log, and return the words.

    Args:
        kind: The `DatasetVerify`.
        node: The node's data folder.
        file: How the path of the damaged file or folder ends.
        reason: Words of the reason.
        caplog: Pytest's fixture.
    """
    ok, text = check(kind, node)
    assert ok is False
    line = next((line for line in text.splitlines() if reason in line), None)
    assert line, text
    named = Path(line.removeprefix(f"{NODE}: ").partition(": ")[0])
    assert line.startswith(f"{NODE}: ") and named.is_relative_to(node) and str(named).endswith(file), line
    assert "Traceback" not in text
    for line in text.splitlines():  # English reason (Chinese reason). English advice (Chinese advice)
        before, after = line.split("). ")
        for part in (before, after.removesuffix(")")):
            assert any("一" <= letter <= "鿿" for letter in part.rpartition("(")[2]), part

    verify = kind("task", NODE)
    verify.data_dir = str(node)
    caplog.clear()
    assert verify.run() is False
    logged = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert logged == [("app", logging.ERROR, line) for line in text.splitlines()]
    return text


def assert_advice_helps(kind: type, node: Path, damage: Callable[[Path], object], cures: Mapping[str, Cure]) -> None:
    """Damage sound data, then follow the advice of every line, word for word, until they are sound again.

    Args:
        kind: The `DatasetVerify`.
        node: The node's data folder.
        damage: What is done to it.
        cures: What each advice says, done to the path that its line names.
    """
    with tempfile.TemporaryDirectory() as folder:
        original = shutil.copytree(node, Path(folder, "original"))
        damage(node)
        _follow_advice(kind, node, cures, original)


def _follow_advice(kind: type, node: Path, cures: Mapping[str, Cure], original: Path) -> None:
    text = ""
    for _ in range(5):  # one fault may hide another
        ok, text = check(kind, node)
        if ok:
            return
        for line in text.splitlines():
            named, _, said = line.removeprefix(f"{NODE}: ").partition(": ")
            advice = said.rpartition("). ")[2].rpartition(" (")[0]
            cures[advice](Path(named), original / Path(named).relative_to(node), said)
    raise AssertionError(text)


def restore(path: Path, original: Path, said: str = "") -> None:
    """Put what was there before in place of a file or folder."""
    remove(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if original.is_dir():
        shutil.copytree(original, path)
    elif original.exists():
        shutil.copyfile(original, path)


def remove(path: Path, original: Path | None = None, said: str = "") -> None:
    """Remove a file or folder, and a file that lies in place of a folder it should lie in."""
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
    elif path.parent.is_file():
        path.parent.unlink()


def assert_locked_is_refused(kind: type, node: Path, locked: str) -> None:
    """Check that a file or folder without permissions is named, which was sound before.

    Args:
        kind: The `DatasetVerify`.
        node: A sound data folder in an `open_folder`.
        locked: The path in it that nobody may read.
    """
    ok, text = _as_stranger(check, kind, node)
    assert ok, text
    closed = node / locked
    mode = closed.stat().st_mode
    closed.chmod(0)
    try:
        ok, text = _as_stranger(check, kind, node)
    finally:
        closed.chmod(mode)
    assert not ok and f"{NODE}: {closed}" in text, text
    assert "cannot be read: Permission denied (无法读取). Give the training user access" in text, text


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """Give a folder that strangers may enter: pytest's own they may not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def _as_stranger(function: Callable, *args: Any) -> Any:
    """Call a function without root's right to read everything."""
    if os.geteuid() != 0:
        return function(*args)
    os.seteuid(65534)
    try:
        return function(*args)
    finally:
        os.seteuid(0)
