"""Code as it comes: what is unpacked, and what is refused before a byte of it is written."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from alphamed_tutorials.playground.agent import code
from alphamed_tutorials.playground.agent.code import BadCode


def archive(write: Callable[[zipfile.ZipFile], None], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return an archive that a function filled."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as opened:
        write(opened)
    return content.getvalue()


def named(*names: str) -> bytes:
    """Return an archive with files of these names."""
    return archive(lambda opened: [opened.writestr(zipfile.ZipInfo(name), b"x") for name in names])  # type: ignore[return-value, arg-type]


def link() -> bytes:
    """Return an archive with a link."""
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    return archive(lambda opened: opened.writestr(info, "/etc/passwd"))


def bomb() -> bytes:
    """Return an archive of a file with nothing but zeros."""
    return archive(lambda opened: opened.writestr("zeros.py", bytes(64 << 20)))


def liar() -> bytes:
    """Return an archive that gives a smaller size than it has."""
    content = bytearray(archive(lambda opened: opened.writestr("large.py", bytes(range(256)) * 4000)))
    size = struct.pack("<L", 256 * 4000)
    return bytes(content.replace(size, struct.pack("<L", 100)))


def encrypted() -> bytes:
    """Return an archive that says it is encrypted."""
    content = bytearray(named("a.py"))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


ATTACKS = {
    "leaves its folder": named("../outside.py"),
    "leaves its folder.": named("a/../../outside.py"),
    "leaves its folder..": named("/etc/cron.d/outside"),
    "no plain path": named("a\\..\\outside.py"),
    "no plain path.": named("C:outside.py"),
    "twice": named("a.py", "a.py"),
    "twice.": named("A.py", "a.py"),
    "below a file": named("a", "a/b.py"),
    "link or a device": link(),
    "that is no code": bomb(),
    "more than the archive says|damaged": liar(),
    "encrypted": encrypted(),
    "entries": named(*(f"{number}" for number in range(code.MOST_FILES + 1))),
    "damaged": b"PK\x03\x04 and then nothing",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("reason", ATTACKS)
def test_an_archive_that_is_not_honest_is_refused(reason: str, tmp_path: Path) -> None:
    folder = tmp_path / "node" / "code"
    folder.mkdir(parents=True)
    with pytest.raises(BadCode, match=reason.rstrip(".")):
        code.unpack(ATTACKS[reason], folder)
    assert list(tmp_path.iterdir()) == [tmp_path / "node"], "nothing outside"
    assert sum(path.stat().st_size for path in folder.rglob("*")) <= 100


def test_code_is_shown_and_unpacked_as_it_is(tmp_path: Path) -> None:
    content = archive(lambda opened: [opened.writestr("entry.pickle", b"\x80"), opened.writestr("pkg/a.py", "a = 1\n")])  # type: ignore[return-value, arg-type]
    shown = {each["name"]: each for each in code.contents(content)}
    assert shown["pkg/a.py"]["text"] == "a = 1\n" and "text" not in shown["entry.pickle"]
    code.check_training(content)
    code.unpack(content, tmp_path)
    assert (tmp_path / "pkg" / "a.py").read_text() == "a = 1\n"


def test_a_single_file_is_a_verification(tmp_path: Path) -> None:
    code.unpack(b"class DatasetVerify: ...", tmp_path)
    assert (tmp_path / "DatasetVerify.py").read_bytes() == b"class DatasetVerify: ..."
    with pytest.raises(BadCode, match="src.zip"):
        code.check_training(b"class DatasetVerify: ...")
    with pytest.raises(BadCode, match="entry.pickle"):
        code.check_training(named("a.py"))
