"""Download the official files of a data set: resumed, checked, and never by two processes at once."""

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import requests
import urllib3
from filelock import FileLock

from ..errors import TutorialError
from ..facts import Download, checked

TIMEOUT = (10, 30)  # seconds to connect, and between two pieces of the answer
ROUNDS = 3  # each address is tried so many times
WAIT = 2  # seconds before the second round, twice as long before the third
PIECE = 1 << 18  # bytes between two reports of progress

Progress = Callable[[str, int, int | None], None]  # the file's path, bytes done, bytes in all where known


class DownloadError(TutorialError):
    """Say which file could not be downloaded, why, and what to do."""


class _Failed(Exception):
    """One try failed; `for_good` if another try at this address cannot do better."""

    def __init__(self, reason: str, for_good: bool = False):
        super().__init__(reason)
        self.for_good = for_good


def checksum_of(file: Path, like: str) -> str:
    """Return the checksum of a file on disk, of the same kind as another checksum."""
    kind = like.partition(":")[0]
    with file.open("rb") as stream:
        return f"{kind}:{hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()}"


def fetch(tables: Iterable[dict], out: Path, on_progress: Progress = lambda path, done, total: None) -> list[Path]:
    """Download what is not there yet.

    A second process that wants the same folder waits, and then finds the files done. What is interrupted goes on
    where it stopped.

    Args:
        tables: What to download, as the `[[download]]` tables of an `example.toml`.
        out: The folder to download to.
        on_progress: Called with a file's path, the bytes done, and the bytes in all where known.

    Returns:
        Where the files lie.

    Raises:
        FactsError: A table does not say what it should.
        DownloadError: No address gave the right file, or another file is in its place.
    """
    files = [checked(Download, table, f"[[download]] {number}") for number, table in enumerate(tables, start=1)]
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".download.lock"):
        missing = [file for file in files if not _is_there(file, out)]
        for file in files:
            if file in missing:
                _download(file, out, on_progress)
            size = (out / file.path).stat().st_size
            on_progress(file.path, size, size)
    return [out / file.path for file in files]


def _is_there(file: Download, out: Path) -> bool:
    target = out / file.path
    if not target.exists():
        return False
    found = checksum_of(target, file.checksum)
    if found != file.checksum:
        raise DownloadError(
            f"{target} is there but is not the official file (its checksum is {found}, not {file.checksum}). "
            "It stays as it is: move it away, or give another folder, and try again"
        )
    return True


def _download(file: Download, out: Path, on_progress: Progress) -> None:
    target = out / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    reasons: dict[str, str] = {}
    urls = list(file.urls)
    for i in range(ROUNDS):
        if not urls:
            break
        time.sleep(WAIT * i)
        for url in list(urls):
            try:
                _get(file, url, part, on_progress)
                part.rename(target)
                return
            except _Failed as failed:
                reasons[url] = str(failed)
                if failed.for_good:
                    urls.remove(url)
    tried = "".join(f"\n  {url}: {reason}" for url, reason in reasons.items())
    raise DownloadError(
        f"{file.path} could not be downloaded:{tried}\nIf this machine has no network, download the file elsewhere, "
        f"put it at {target} (checksum {file.checksum}) and try again"
    )


def _get(file: Download, url: str, part: Path, on_progress: Progress) -> None:
    """Complete `part` from one address and check it."""
    start = part.stat().st_size if part.exists() else 0
    if file.size is None or start < file.size:
        try:
            start = _receive(file, url, part, start, on_progress)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Failed(_innermost(error)) from error
        except OSError as error:
            raise DownloadError(f"{part} cannot be written: {error.strerror}. Make room there and try again") from error
    found = checksum_of(part, file.checksum)
    if found != file.checksum:
        part.unlink()
        reason = f"what came has the checksum {found}, not {file.checksum}; it was deleted"
        raise _Failed(reason, for_good=start == 0)  # a wrong beginning may have come from another address


def _receive(file: Download, url: str, part: Path, start: int, on_progress: Progress) -> int:
    """Append to `part` what it lacks and return at which byte the answer began."""
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if start and answer.status_code == 416:  # nothing lies beyond what is here
            return start
        if answer.status_code not in (200, 206):
            raise _Failed(f"the server answers {answer.status_code} {answer.reason}", 400 <= answer.status_code < 500)
        if answer.status_code == 200:
            start = 0  # the server sends the whole file again
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _Failed("the server sends another part of the file than it was asked for", for_good=True)
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else file.size
        if file.size not in (None, total):
            raise _Failed(f"the server has {total} bytes, the official file {file.size}", for_good=True)
        done = start
        with part.open("ab" if start else "wb") as stream:
            # Raw: a server that calls an archive's gzip a transfer encoding must not make us unpack it.
            for piece in answer.raw.stream(PIECE, decode_content=False):
                stream.write(piece)
                done += len(piece)
                on_progress(file.path, done, total)
    if total is not None and done < total:
        raise _Failed(f"the connection broke off at {done} of {total} bytes")
    return start


def _innermost(error: BaseException) -> str:
    """Return the plain reason that libraries wrap several times over."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return f"{type(error).__name__}: {error}"
