"""A task's code as it comes: looked at before anything of it is written, shown to the operator, and unpacked."""

import hashlib
import io
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import TutorialError

MOST_FILES = 10_000
LARGEST = 1024**3  # bytes, unpacked
HIGHEST_RATIO = 200  # of a file of more than 1 MiB to its packed size; text packs to a tenth, zeros to a thousandth
ENTRY = "entry.pickle"
SHOWN = 256 * 1024  # bytes of a text that is shown
TEXTS = {".py", ".txt", ".md", ".toml", ".json", ".yaml", ".yml", ".csv", ".cfg", ".ini"}


class BadCode(TutorialError):
    """Code that will not be unpacked; the text says why."""


def is_archive(content: bytes) -> bool:
    """Return whether code is an archive, and not one Python file."""
    return content.startswith(b"PK")


def contents(content: bytes, name: str = "DatasetVerify.py") -> list[dict[str, Any]]:
    """Return what the operator should look at before it runs: each file with its hash, size, and text.

    Args:
        content: A `src.zip`, or one Python file.
        name: What the one file is called.

    Raises:
        BadCode: The archive would not be unpacked.
    """
    if not is_archive(content):
        return [_described(name, content)]
    with _opened(content) as archive:
        return [_described(str(path), b"".join(_pieces(archive, info))) for info, path in _checked(archive)]


def unpack(content: bytes, folder: Path, name: str = "DatasetVerify.py") -> None:
    """Write code into an empty folder.

    Raises:
        BadCode: It is an archive that leaves the folder, or is no honest one. Nothing is written then, unless the lie
            shows in the middle of a file: that one is damaged.
    """
    if not is_archive(content):
        (folder / name).write_bytes(content)
        return
    with _opened(content) as archive:
        for info, path in _checked(archive):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "xb") as file:
                file.writelines(_pieces(archive, info))


def check_training(content: bytes) -> None:
    """Refuse training code that is no `src.zip` as the SDK makes it.

    Raises:
        BadCode: The text says what is wrong.
    """
    if not is_archive(content):
        raise BadCode(
            "the training code is no src.zip: make it with the SDK's submit(), or with `playground task create`"
        )
    with _opened(content) as archive:
        if not any(str(path) == ENTRY for _, path in _checked(archive)):
            raise BadCode(
                f"the archive has no {ENTRY}: make it with the SDK's submit(), or with `playground task create`"
            )


def _opened(content: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise BadCode(f"the archive is damaged, pack it anew: {error}") from None


def _checked(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Return the files of an archive, none of which may be more, larger, or elsewhere than is honest."""
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise BadCode(f"the archive has {len(infos)} entries, more than {MOST_FILES}: leave data out of it")
    if sum(info.file_size for info in infos) > LARGEST:
        raise BadCode(f"the archive unpacks to more than {LARGEST} bytes: leave data out of it")
    found: dict[str, tuple[zipfile.ZipInfo, PurePosixPath]] = {}
    for info in infos:
        path = _safe_path(info)
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise BadCode(f"{path} is encrypted, and nobody can look at it: pack it without a password")
        if info.file_size > 1 << 20 and info.file_size > HIGHEST_RATIO * max(info.compress_size, 1):
            raise BadCode(f"{path} unpacks to {info.file_size} bytes from {info.compress_size}: that is no code")
        name = str(path).casefold()  # one file on some systems
        if name in found:
            raise BadCode(f"{path} is in the archive twice: pack it anew")
        found[name] = (info, path)
    for name, (_, path) in found.items():
        for parent in list(PurePosixPath(name).parents)[:-1]:
            if str(parent) in found:
                raise BadCode(f"{path} lies below a file of the archive: pack it anew")
    return list(found.values())


def _safe_path(info: zipfile.ZipInfo) -> PurePosixPath:
    """Return where an entry belongs, below the folder it is unpacked in."""
    name = info.orig_filename
    path = PurePosixPath(name)
    if "\\" in name or "\0" in name or ":" in name or any(ord(sign) < 32 for sign in name):
        raise BadCode(f"the archive has a name that is no plain path: {name!r}")
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise BadCode(f"the archive has a path that leaves its folder: {name!r}")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadCode(f"{name!r} is a link or a device: pack the file itself")
    return path


def _pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a file's content, and no more than it promised."""
    left = info.file_size
    try:
        with archive.open(info) as source:
            while piece := source.read(1 << 20):
                left -= len(piece)
                if left < 0:
                    raise BadCode(f"{info.filename!r} unpacks to more than the archive says: pack it anew")
                yield piece
    except BadCode:
        raise
    except Exception as error:  # zipfile's, zlib's, bz2's and lzma's own
        raise BadCode(f"{info.filename!r} is damaged, pack it anew: {error}") from None


def _described(name: str, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if PurePosixPath(name).suffix in TEXTS:
        found["text"] = content[:SHOWN].decode("utf-8", "replace")
    return found
