"""Downloading the official files, from a server of our own that misbehaves on request."""

import hashlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alphamed_tutorials.catalogue import find_all
from alphamed_tutorials.data import download
from alphamed_tutorials.data.archives import SUFFIXES
from alphamed_tutorials.data.download import DownloadError, fetch
from alphamed_tutorials.facts import FactsError

CONTENT = bytes(range(256)) * 4096  # 1 MiB: several pieces
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serve `CONTENT` at every address; the first part of the path says how to misbehave."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []  # (path, Range or None)
        self.first_piece_sent = threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        behaviour, wanted = self.path.split("/")[1], self.headers.get("Range")
        first = not any(path == self.path for path, _ in self.server.requests)
        self.server.requests.append((self.path, wanted))
        content, start = CONTENT, 0
        if behaviour == "missing" or (behaviour == "busy-once" and first):
            return self.send_error(404 if behaviour == "missing" else 503)
        if behaviour == "page":
            content = b"<html>Please log in</html>"
        elif behaviour == "other-file":
            content = CONTENT[::-1]
        elif wanted and behaviour != "no-ranges":
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
            start += behaviour == "wrong-part"
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if behaviour == "calls-it-encoded":
            self.send_header("Content-Encoding", "gzip")
        if "no-length" not in behaviour:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        breaks_off = behaviour == "breaks-always" or ("breaks-once" in behaviour and first)
        body = content[start : start + 300_000] if breaks_off else content[start:]
        if behaviour == "slow":
            self.wfile.write(body[:300_000])
            self.server.first_piece_sent.wait(10)
            body = body[300_000:]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "WAIT", 0)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield running
        running.first_piece_sent.set()
        running.shutdown()
        thread.join()


SIZE = len(CONTENT)


def table(server, *urls, checksum=MD5, size=SIZE, path="MNIST/raw/digits.gz"):
    return {"path": path, "urls": [server.url(url) for url in urls], "checksum": checksum, "size": size}


def files_in(folder):
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    )


@pytest.mark.parametrize("checksum", [MD5, "sha256:" + hashlib.sha256(CONTENT).hexdigest()])
@pytest.mark.parametrize("behaviour", ["fine", "no-length", "calls-it-encoded"])
def test_downloads_and_reports_progress(server, tmp_path, checksum, behaviour):
    seen = []
    files = fetch([table(server, behaviour, checksum=checksum)], tmp_path, lambda *state: seen.append(state))
    assert files == [tmp_path / "MNIST" / "raw" / "digits.gz"]
    assert files[0].read_bytes() == CONTENT
    assert files_in(tmp_path) == ["MNIST/raw/digits.gz"]
    assert len(seen) > 3 and {(path, total) for path, _, total in seen} == {("MNIST/raw/digits.gz", len(CONTENT))}
    done = [number for _, number, _ in seen]
    assert done == sorted(done) and done[-1] == len(CONTENT)


def test_size_need_not_be_known(server, tmp_path):
    files = fetch([{k: v for k, v in table(server, "no-length").items() if k != "size"}], tmp_path)
    assert files[0].read_bytes() == CONTENT


def test_what_is_there_is_not_downloaded_again(server, tmp_path):
    tables = [table(server, "fine"), table(server, "fine", path="other.gz")]
    fetch(tables, tmp_path)
    (tmp_path / "other.gz").unlink()
    fetch(tables, tmp_path)
    assert len(server.requests) == 3


def test_a_wrong_file_in_its_place_stays_and_nothing_is_downloaded(server, tmp_path):
    (tmp_path / "mine.gz").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="mine.gz is there but is not the official file .*move it away"):
        fetch([table(server, "fine"), table(server, "fine", path="mine.gz")], tmp_path)
    assert (tmp_path / "mine.gz").read_bytes() == b"mine"
    assert not server.requests


@pytest.mark.parametrize("behaviour", ["breaks-once", "breaks-once-no-length"])
def test_goes_on_where_the_connection_broke_off(server, tmp_path, behaviour):
    files = fetch([table(server, behaviour)], tmp_path)
    assert server.requests == [(f"/{behaviour}", None), (f"/{behaviour}", "bytes=300000-")]
    assert files[0].read_bytes() == CONTENT


def test_goes_on_after_a_kill(server, tmp_path):
    program = (
        f"from alphamed_tutorials.data.download import fetch; fetch([{table(server, 'slow')!r}], {str(tmp_path)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    part = tmp_path / "MNIST" / "raw" / "digits.gz.part"
    while not part.exists() or not part.stat().st_size:
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert files_in(tmp_path) == ["MNIST/raw/digits.gz.part"]
    files = fetch([table(server, "fine")], tmp_path)
    assert server.requests[-1] == ("/fine", f"bytes={download.PIECE}-")
    assert files[0].read_bytes() == CONTENT
    assert files_in(tmp_path) == ["MNIST/raw/digits.gz"]


@pytest.mark.parametrize(
    ("part", "requests"),
    [
        (CONTENT, []),  # killed between the last byte and the check
        (CONTENT + b"more", [None]),
        (b"<html>" * 99, ["bytes=594-", None]),
        (CONTENT[::-1], [None]),
    ],
    ids=["complete", "too long", "rubbish", "rubbish of full length"],
)
@pytest.mark.parametrize("size", [len(CONTENT), None], ids=["size known", "size unknown"])
def test_what_lies_about_is_used_only_if_it_is_right(server, tmp_path, part, requests, size):
    (tmp_path / "digits.gz.part").write_bytes(part)
    files = fetch([table(server, "fine", path="digits.gz", size=size)], tmp_path)
    assert files[0].read_bytes() == CONTENT
    assert files_in(tmp_path) == ["digits.gz"]
    if size:
        assert [wanted for _, wanted in server.requests] == requests


def test_a_server_without_ranges_sends_the_whole_file(server, tmp_path):
    (tmp_path / "digits.gz.part").write_bytes(b"x" * 5000)
    assert fetch([table(server, "no-ranges", path="digits.gz")], tmp_path)[0].read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", ["missing", "page", "other-file", "wrong-part"])
def test_the_next_address_is_tried_and_a_hopeless_one_not_again(server, tmp_path, first):
    if first == "wrong-part":
        (tmp_path / "digits.gz.part").write_bytes(CONTENT[:5000])
    size = None if first == "wrong-part" else len(CONTENT)  # a known size would tell already
    files = fetch([table(server, first, "breaks-once", path="digits.gz", size=size)], tmp_path)
    assert files[0].read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == [f"/{first}", "/breaks-once", "/breaks-once"]
    if first == "wrong-part":  # what had come before stays good
        assert server.requests[1] == ("/breaks-once", "bytes=5000-")


def test_nobody_waits_for_hopeless_addresses(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    with pytest.raises(DownloadError):
        fetch([table(server, "missing")], tmp_path)
    assert not any(waits)


def test_a_busy_server_is_asked_again(server, tmp_path):
    fetch([table(server, "busy-once")], tmp_path)
    assert len(server.requests) == 2


def test_a_wrong_checksum_deletes_what_came_and_says_so(server, tmp_path):
    with pytest.raises(DownloadError) as error:
        fetch([table(server, "other-file", size=None)], tmp_path)
    text = str(error.value)
    assert server.url("other-file") in text and MD5 in text and "it was deleted" in text
    assert "md5:" + hashlib.md5(CONTENT[::-1]).hexdigest() in text
    assert files_in(tmp_path) == []


def test_failure_names_every_address_and_the_way_by_hand(server, tmp_path):
    with pytest.raises(DownloadError) as error:
        fetch([table(server, "missing", "page", "breaks-always")], tmp_path)
    text = str(error.value)
    assert f"{server.url('missing')}: the server answers 404 Not Found" in text
    assert f"{server.url('page')}: the server has 26 bytes, the official file {len(CONTENT)}" in text
    assert server.url("breaks-always") in text
    assert str(tmp_path / "MNIST" / "raw" / "digits.gz") in text and MD5 in text


def test_the_number_of_tries_is_bounded_and_what_came_is_kept(server, tmp_path):
    with pytest.raises(DownloadError, match="broke off|IncompleteRead"):
        fetch([table(server, "breaks-always")], tmp_path)
    assert len(server.requests) == download.ROUNDS
    assert (tmp_path / "MNIST" / "raw" / "digits.gz.part").read_bytes() == CONTENT[:900_000]


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WAIT", 0)
    tables = [
        {
            "path": "digits.gz",
            "urls": ["http://127.0.0.1:1/digits.gz", "http://no.such.host.invalid/x"],
            "checksum": MD5,
        }
    ]
    with pytest.raises(DownloadError) as error:
        fetch(tables, tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == "digits.gz could not be downloaded:"
    assert (
        lines[1].startswith("  http://127.0.0.1:1/digits.gz: ConnectionRefusedError")
        and "Connection refused" in lines[1]
    )
    assert lines[2].startswith("  http://no.such.host.invalid/x: ")
    assert f"put it at {tmp_path / 'digits.gz'} (checksum {MD5})" in lines[3]


def test_a_server_that_falls_silent_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (1, 0.2))
    monkeypatch.setattr(download, "ROUNDS", 1)
    with pytest.raises(DownloadError, match="timed out"):
        fetch([table(server, "slow")], tmp_path)


def test_two_processes_at_once_download_once(server, tmp_path):
    program = (
        f"from alphamed_tutorials.data.download import fetch; fetch([{table(server, 'slow')!r}], {str(tmp_path)!r})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    while not server.requests:
        assert any(process.poll() is None for process in processes)
        time.sleep(0.02)
    time.sleep(1)  # time for the other one to come and wait
    assert len(server.requests) == 1
    server.first_piece_sent.set()
    assert [process.wait(30) for process in processes] == [0, 0]
    assert len(server.requests) == 1
    assert files_in(tmp_path) == ["MNIST/raw/digits.gz"]
    assert (tmp_path / "MNIST" / "raw" / "digits.gz").read_bytes() == CONTENT


def test_a_full_disk_is_said_plainly(server, tmp_path):
    (tmp_path / "digits.gz.part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="digits.gz.part cannot be written: No space left on device. Make room"):
        fetch([table(server, "fine", path="digits.gz")], tmp_path)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../digits.gz", "a/../../digits.gz", "..\\x", "C:\\x", "", ".", "a\nb"]
)
def test_a_path_must_stay_below_the_folder(server, tmp_path, path):
    with pytest.raises(FactsError, match=r"\[\[download\]\] 1 .* must stay below"):
        fetch([table(server, "fine", path=path)], tmp_path / "out")


@pytest.mark.parametrize("checksum", ["", "d41d8cd9", "crc32:00", "MD5:00", "md5:00", "sha512:" + "0" * 128])
def test_a_checksum_must_say_its_kind(server, tmp_path, checksum):
    with pytest.raises(FactsError, match="must begin with md5: or sha256:"):
        fetch([table(server, "fine", checksum=checksum)], tmp_path)


def test_a_download_without_a_checksum_is_refused(server, tmp_path):
    given = {key: value for key, value in table(server, "fine").items() if key != "checksum"}
    with pytest.raises(FactsError, match=r"\[\[download\]\] 1 does not say what it should: checksum: Field required"):
        fetch([given], tmp_path)


@pytest.mark.parametrize("example", find_all(), ids=lambda example: example.name)
def test_every_example_names_its_official_files(example):
    tables = [entry.model_dump() for entry in example.facts.download]
    assert len({entry["path"] for entry in tables}) == len(tables)
    for file in example.facts.download:
        kind, _, digits = file.checksum.partition(":")
        assert len(bytes.fromhex(digits)) == {"md5": 16, "sha256": 32}[kind] and digits == digits.lower()
        assert file.urls and all(url.endswith("/" + Path(file.path).name) for url in file.urls)
        # what is fetched, `prepare --source` takes
        assert file.path.endswith(SUFFIXES) or example.name == "mnist"


@pytest.mark.real_data
def test_mnist_table_fits_the_real_files(shared_data, tmp_path):
    import tomllib

    import alphamed_tutorials.examples.mnist as mnist

    tables = tomllib.loads((Path(mnist.__file__).parent / "example.toml").read_text("utf-8"))["download"]
    assert [Path(entry["path"]).name for entry in tables] == [
        f"{prefix}-{kind}-ubyte.gz" for prefix in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
    ]
    for entry in tables:
        assert all(url.endswith("/" + Path(entry["path"]).name) for url in entry["urls"])
    ours = [entry | {"urls": ["https://nobody.invalid/"]} for entry in tables if "t10k" in entry["path"]]
    for entry in ours:
        target = tmp_path / entry["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(shared_data / "mnist" / entry["path"])
        assert target.stat().st_size == entry["size"]
    fetch(ours, tmp_path)  # without any address: the checksums are right, or it fails
