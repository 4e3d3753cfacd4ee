"""A SuperLink and its SuperNodes on hosts with addresses of their own, started by Flower's own commands."""

import alphamed_tutorials  # noqa: F401  # isort: skip

import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'alphamed-tutorials[flower]'")

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.flower.local import environment
from alphamed_tutorials.runs.folder import Run
from pages import ROOT

ADDRESSES = {"aggregator": "10.78.0.11", "node1": "10.78.0.12", "node2": "10.78.0.13"}
OWNERS = ("node1", "node2")
PORT, ROUNDS, PATIENCE = 8000, 4, 400  # seconds
CONFIGURATION = """
[superlink.clinics]
address = "{address}:{port}"
root-certificates = "{certificates}/ca.pem"
"""
PAGE = ROOT / "docs" / "en" / "cluster.md"


def page_commands(anchor: str) -> list[str]:
    """Return the blocks of commands in a section of the page."""
    section = PAGE.read_text("utf-8").partition(f"{{ #{anchor} }}")[2].partition("\n#")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def make_keys(folder: Path) -> None:
    """Make an authority, the SuperLink's certificate and each SuperNode's key with the page's own commands."""
    authority, key = page_commands("keys")
    commands = authority + "".join(key.replace("node1", name) for name in OWNERS)
    commands = commands.replace("192.0.2.1", ADDRESSES["aggregator"])
    folder.mkdir()
    made = subprocess.run(["bash", "-ec", commands], cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Hosts:
    """Network namespaces on one bridge, which has one of its own."""

    def __init__(self, home: Path):
        self.home, self.prefix, self.ends = home, f"fl{uuid.uuid4().hex[:6]}", ExitStack()

    def build(self) -> None:
        switch = f"{self.prefix}-switch"
        ip("netns", "add", switch)
        self.ends.callback(ip, "netns", "del", switch)
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        for name, address in ADDRESSES.items():
            host = f"{self.prefix}-{name}"
            ip("netns", "add", host)
            self.ends.callback(ip, "netns", "del", host)
            ip("-n", switch, "link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("-n", switch, "link", "set", f"to-{name}", "master", "bridge", "up")
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", host, "link", "set", device, "up")

    def command(self, host: str, *words: str) -> tuple[list[str], dict[str, str]]:
        """Return a command of Python's environment on a host, and its variables."""
        home = self.home / f"home-{host}"
        home.mkdir(exist_ok=True)
        script = str(Path(sys.executable).parent / words[0])
        inside = ["ip", "netns", "exec", f"{self.prefix}-{host}", sys.executable, script, *words[1:]]
        return inside, environment(home)

    def start(self, host: str, *words: str) -> subprocess.Popen[bytes]:
        command, variables = self.command(host, *words)
        with open(self.log(host, words[0]), "ab") as log:
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        self.ends.callback(_end, process)
        return process

    def log(self, host: str, command: str) -> Path:
        """Return where the output of a command that was started goes."""
        return self.home / f"{command}-{host}.log"

    def run(self, host: str, *words: str) -> subprocess.CompletedProcess[str]:
        command, variables = self.command(host, *words)
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def hosts(tmp_path) -> Iterator[Hosts]:
    for command in ("ip", "openssl", "ssh-keygen"):
        if shutil.which(command) is None:
            pytest.skip(f"there is no command `{command}`")
    made = Hosts(tmp_path)
    with made.ends:
        try:
            made.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        yield made


def start_all(hosts: Hosts, keys: Path, data: Path) -> dict[str, subprocess.Popen[bytes]]:
    """Start a SuperLink, admit SuperNodes by their keys, and start these, as the page says."""
    superlink = start_superlink(hosts, keys)
    for name in OWNERS:
        hosts.run("aggregator", "flwr", "supernode", "register", f"{keys}/{name}.pub", "clinics", "--name", name)
    return {"superlink": superlink, **{name: start_node(hosts, keys, data, name) for name in OWNERS}}


def start_superlink(hosts: Hosts, keys: Path) -> subprocess.Popen[bytes]:
    """Start a SuperLink, and wait until it answers."""
    superlink = hosts.start(
        "aggregator", "flower-superlink", "--host", "0.0.0.0", "--port", str(PORT), "--ssl-ca-certfile",
        f"{keys}/ca.pem", "--ssl-certfile", f"{keys}/server.pem", "--ssl-keyfile", f"{keys}/server.key",
        "--enable-supernode-auth", "--disable-runtime-dependency-installation", "--database", f"{keys}/superlink.db",
    )  # fmt: skip
    (hosts.home / "home-aggregator" / "config.toml").write_text(
        CONFIGURATION.format(address=ADDRESSES["aggregator"], port=PORT, certificates=keys)
    )
    for _ in range(60):
        if hosts.run("aggregator", "flwr", "supernode", "list", "clinics").returncode == 0:
            break
    return superlink


def start_node(hosts: Hosts, keys: Path, data: Path, name: str) -> subprocess.Popen[bytes]:
    config = f'name="{name}" data="{data / "nodes" / name}" folder="{hosts.home / f"kept-{name}"}"'
    return hosts.start(
        name, "flower-supernode", "--superlink", f"{ADDRESSES['aggregator']}:{PORT}", "--root-certificates",
        f"{keys}/ca.pem", "--auth-supernode-private-key", f"{keys}/{name}", "--node-config", config,
    )  # fmt: skip


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("ssh-keygen")), reason="no openssl, or no ssh-keygen")
def test_the_pages_commands_make_keys_that_flower_takes(tmp_path):
    make_keys(tmp_path / "keys")
    authority, server = (
        x509.load_pem_x509_certificate((tmp_path / "keys" / name).read_bytes()) for name in ("ca.pem", "server.pem")
    )
    server.verify_directly_issued_by(authority)
    key = load_ssh_private_key((tmp_path / "keys" / "node1").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)


@pytest.mark.parametrize("command", ["flower-superlink", "flower-supernode"])
def test_the_page_names_options_that_flower_has(command):
    section = {"flower-superlink": "aggregator", "flower-supernode": "data-owner"}[command]
    options = set(re.findall(r"--[a-z-]+", "".join(page_commands(section)))) - {"--name"}
    said = subprocess.run(
        [sys.executable, Path(sys.executable).parent / command, "--help"], capture_output=True, text=True
    )
    assert options and all(option in said.stdout for option in options)


@pytest.mark.soak
def test_three_machines_come_to_what_one_does_whatever_is_killed_in_a_round(hosts, tmp_path):
    data, keys, out = tmp_path / "data", tmp_path / "keys", tmp_path / "run"
    prepare("mnist", data, num_nodes=2)
    make_keys(keys)
    started = start_all(hosts, keys, data)
    words = ("run", "mnist", "--engine", "flower", "--superlink", "clinics", "--data", str(data), "--seed", "3")
    said = killed_in_a_round(hosts, out, started["node2"], *words, "--rounds", str(ROUNDS), "--out", str(out))
    assert "node2 failed in round" in said
    assert Run.open(out).record["nodes"]["node1"] == "", "nobody but node1 knows where its data are"
    start_node(hosts, keys, data, "node2")
    said = killed_in_a_round(hosts, out, started["superlink"], "resume", str(out))
    assert "the SuperLink clinics cannot be reached" in said
    start_superlink(hosts, keys)  # SuperNodes find it by themselves
    on = hosts.run("aggregator", "playground", "resume", str(out))
    assert on.returncode == 0, on.stderr
    alone = run("mnist", data, num_rounds=ROUNDS, seed=3, out=tmp_path / "alone")
    for name in ("model.pt", "metrics.csv"):
        assert (out / name).read_bytes() == (alone.path / name).read_bytes()


def killed_in_a_round(hosts: Hosts, out: Path, victim: subprocess.Popen[bytes], *words: str) -> str:
    """Give a command of the playground, kill a process after the first round from then on, and return what is said."""
    events, log = out / "events.jsonl", hosts.log("aggregator", "playground")
    before = num_rounds(events)
    command = hosts.start("aggregator", "playground", *words)
    until = time.monotonic() + PATIENCE
    while num_rounds(events) == before:
        assert command.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.1)
    victim.kill()
    victim.wait()
    assert command.wait(PATIENCE) == 1
    said = log.read_text()
    assert Run.open(out).state == "failed" and not (out / "model.pt").exists()
    assert f"playground resume {out}" in said, said
    log.unlink()
    return said


def num_rounds(events: Path) -> int:
    return events.read_text().count('"round_done"') if events.exists() else 0
