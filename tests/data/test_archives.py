"""Official archives are taken by every example, safely, and nothing of them is left behind."""

import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from alphamed_tutorials.catalogue import find, find_all
from alphamed_tutorials.data import archives, limits
from alphamed_tutorials.data.archives import unpack
from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.errors import TutorialError, WrongUse


def pack(folder: Path, file: Path) -> Path:
    """Write a folder's content as an archive of the kind that the file's name says."""
    if file.suffix == ".zip":
        return Path(shutil.make_archive(str(file.with_suffix("")), "zip", folder))
    with tarfile.open(file, "w:gz") as archive:
        archive.add(folder, "./")  # as in Speech Commands
    return file


def write_zip(file: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize("name", [example.name for example in find_all()])
def test_every_example_takes_its_set_as_an_archive(name, tmp_path):
    example = find(name)
    prepare(example, tmp_path / "embedded", 1, seed=1)
    for node in ("node1", "aggregator"):  # a node's folder has the set's own layout: both together are the set
        shutil.copytree(tmp_path / "embedded" / "nodes" / node, tmp_path / "set", dirs_exist_ok=True)
    sources = {
        "folder": tmp_path / "set",
        "zip": pack(tmp_path / "set", tmp_path / "set.zip"),
        "folder with a tar": tmp_path / "downloads",
    }
    sources["folder with a tar"].mkdir()
    pack(tmp_path / "set", sources["folder with a tar"] / "set.tar.gz")
    (sources["folder with a tar"] / ".download.lock").touch()  # as `playground fetch` leaves it
    found = {}
    for kind, source in sources.items():
        facts = prepare(example, tmp_path / kind, 2, source=source, seed=1)
        nodes = tmp_path / kind / "nodes"
        found[kind] = {path.relative_to(nodes): path.read_bytes() for path in nodes.rglob("*") if path.is_file()}
        assert facts["source"] == str(source)
    assert found["folder"] == found["zip"] == found["folder with a tar"] and found["folder"]
    assert sorted(os.listdir(tmp_path)) == sorted(["embedded", "set", "set.zip", "downloads", *sources])


@pytest.mark.parametrize("name", [example.name for example in find_all()])
def test_what_an_archive_lacks_is_said_of_the_archive(name, tmp_path):
    archive = write_zip(tmp_path / "other.zip", **{"readme.txt": b"something else"})
    with pytest.raises(TutorialError) as error:
        prepare(find(name), tmp_path / "data", 2, source=archive, seed=1)
    assert str(archive) in str(error.value) and "unpacked" not in str(error.value)
    assert os.listdir(tmp_path) == ["other.zip"]


def test_several_archives_are_a_question(tmp_path):
    for name in ("speech_commands_test_set_v0.02.tar.gz", "speech_commands_v0.02.tar.gz"):
        (tmp_path / name).touch()
    with pytest.raises(WrongUse, match=r"several archives \(.*test_set_v0.02.tar.gz, .*name the one to use"):
        prepare(find("speech_commands"), tmp_path / "out" / "data", 2, source=tmp_path, seed=1)


def test_a_folder_beside_an_archive_is_the_data(tmp_path):
    (tmp_path / "set.zip").write_bytes(b"not looked at")
    (tmp_path / "MNIST").mkdir()
    assert archives.find_archive(tmp_path) is None


def test_only_what_is_wanted_is_unpacked(tmp_path):
    archive = write_zip(tmp_path / "set.zip", **{"./yes/1.wav": b"1", "bed/1.wav": b"2", "list.txt": b"3"})
    unpack(archive, tmp_path / "out", ("yes", "list.txt"))
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"yes/1.wav", "list.txt"}


# ---- what no official archive holds


def tar(file: Path, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> Path:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    with tarfile.open(file, "w:" if file.suffix == ".tar" else "w:gz") as archive:
        archive.addfile(info, io.BytesIO(bytes(size)))
    return file


def zip_link(file: Path) -> Path:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return file


BAD = {
    "zip climbs out": (lambda x: write_zip(x / "a.zip", **{"../evil": b"1"}), "../evil lies outside"),
    "zip from the root": (lambda x: write_zip(x / "a.zip", **{"/evil": b"1"}), "/evil lies outside"),
    "zip with a link": (lambda x: zip_link(x / "a.zip"), "link is a link or a device"),
    "tar climbs out": (lambda x: tar(x / "a.tar.gz", "a/../../evil"), "evil lies outside"),
    "tar from the root": (lambda x: tar(x / "a.tar.gz", "/evil"), "/evil lies outside"),
    "tar with a link": (lambda x: tar(x / "a.tgz", "evil", tarfile.SYMTYPE, "/etc"), "evil is a link or a device"),
    "tar with a hard link": (lambda x: tar(x / "a.tgz", "evil", tarfile.LNKTYPE, "b"), "evil is a link or a device"),
    "tar with a device": (lambda x: tar(x / "a.tar", "evil", tarfile.CHRTYPE), "evil is a link or a device"),
    "too many": (lambda x: write_zip(x / "a.zip", **dict.fromkeys("abcd", b"")), "it holds more than 3 files"),
    "too much": (lambda x: tar(x / "a.tar.gz", "big", size=2000), "it is more than 0 GiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unsafe_archive_is_refused_and_leaves_nothing(name, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_BYTES", 1000)
    monkeypatch.setattr(limits, "MOST_FILES", 3)
    make, reason = BAD[name]
    archive = make(tmp_path)
    with pytest.raises(TutorialError, match="which is so in no official archive|name another one") as error:
        prepare(find("mnist"), tmp_path / "data", 2, source=archive, seed=1)
    assert f"{archive} is not unpacked: " in str(error.value) and reason in str(error.value)
    assert os.listdir(tmp_path) == [archive.name] and not (tmp_path.parent / "evil").exists()


def cut(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[:-200])
    return file


DAMAGED = {
    "no zip": lambda x: (x / "a.zip").write_bytes(b"PK nothing") and x / "a.zip",
    "no tar": lambda x: (x / "a.tar.gz").write_bytes(b"<html>") and x / "a.tar.gz",
    "empty": lambda x: (x / "a.tgz").write_bytes(b"") or x / "a.tgz",
    "zip cut off": lambda x: cut(write_zip(x / "a.zip", a=os.urandom(999))),
    "tar cut off": lambda x: cut(pack(Path(__file__).parents[1] / "docs", x / "a.tar.gz")),
    "zip with a wrong bit": lambda x: flip(write_zip(x / "a.zip", a=os.urandom(999))),
}


def flip(file: Path) -> Path:
    content = bytearray(file.read_bytes())
    content[500] ^= 1
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_archive_is_refused_and_leaves_nothing(name, tmp_path):
    archive = DAMAGED[name](tmp_path)
    with pytest.raises(TutorialError, match="cannot be unpacked .*: download it again"):
        prepare(find("mnist"), tmp_path / "data", 2, source=archive, seed=1)
    assert os.listdir(tmp_path) == [archive.name]


def test_a_full_disk_is_not_the_archives_fault(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", refuse)
    with pytest.raises(OSError, match="No space left"):
        unpack(write_zip(tmp_path / "a.zip", a=b"1"), tmp_path / "out")


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    archive = write_zip(tmp_path / "a.zip", a=b"1")
    monkeypatch.setattr(shutil, "copyfileobj", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(find("mnist"), tmp_path / "data", 2, source=archive, seed=1)
    assert os.listdir(tmp_path) == ["a.zip"]
