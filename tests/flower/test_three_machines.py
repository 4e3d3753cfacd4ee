"""A SuperLink and its SuperNodes on hosts with addresses of their own, started by Flower's own commands."""

import alphamed_tutorials  # noqa: F401  # isort: skip

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="Flower is not installed: pip install 'alphamed-tutorials[flower]'")

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.run import run
from alphamed_tutorials.flower.local import environment
from alphamed_tutorials.runs.folder import Run

ADDRESSES = {"aggregator": "10.78.0.11", "node1": "10.78.0.12", "node2": "10.78.0.13"}
OWNERS = ("node1", "node2")
PORT, ROUNDS, PATIENCE = 8000, 2, 400  # seconds
CONFIGURATION = """
[superlink.clinics]
address = "{address}:{port}"
root-certificates = "{certificates}/ca.pem"
"""
# As on the page: an authority, a certificate of the SuperLink's, a key for each SuperNode.
KEYS = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 365 -subj "/CN=our clinics" \
    -addext "keyUsage=critical,keyCertSign" -keyout ca.key -out ca.pem
openssl req -x509 -CA ca.pem -CAkey ca.key -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -days 365 \
    -subj "/CN=superlink" -addext "subjectAltName=IP:{address},IP:127.0.0.1" -addext "basicConstraints=CA:FALSE" \
    -keyout server.key -out server.pem
ssh-keygen -t ecdsa -b 384 -N "" -C "" -f node1
ssh-keygen -t ecdsa -b 384 -N "" -C "" -f node2
"""


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
        with open(self.home / f"{words[0]}-{host}.log", "wb") as log:
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        self.ends.callback(_end, process)
        return process

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
    address = ADDRESSES["aggregator"]
    superlink = hosts.start(
        "aggregator", "flower-superlink", "--host", "0.0.0.0", "--port", str(PORT), "--ssl-ca-certfile",
        f"{keys}/ca.pem", "--ssl-certfile", f"{keys}/server.pem", "--ssl-keyfile", f"{keys}/server.key",
        "--enable-supernode-auth", "--disable-runtime-dependency-installation", "--database", f"{keys}/superlink.db",
    )  # fmt: skip
    (hosts.home / "home-aggregator" / "config.toml").write_text(
        CONFIGURATION.format(address=address, port=PORT, certificates=keys)
    )
    for _ in range(60):
        if hosts.run("aggregator", "flwr", "supernode", "list", "clinics").returncode == 0:
            break
    nodes = {name: start_node(hosts, keys, data, name) for name in OWNERS}
    return {"superlink": superlink, **nodes}


def start_node(hosts: Hosts, keys: Path, data: Path, name: str) -> subprocess.Popen[bytes]:
    hosts.run("aggregator", "flwr", "supernode", "register", f"{keys}/{name}.pub", "clinics", "--name", name)
    config = f'name="{name}" data="{data / "nodes" / name}" folder="{hosts.home / f"kept-{name}"}"'
    return hosts.start(
        name, "flower-supernode", "--superlink", f"{ADDRESSES['aggregator']}:{PORT}", "--root-certificates",
        f"{keys}/ca.pem", "--auth-supernode-private-key", f"{keys}/{name}", "--node-config", config,
    )  # fmt: skip


@pytest.mark.soak
def test_three_machines_come_to_what_one_does(hosts, tmp_path):
    data, keys = tmp_path / "data", tmp_path / "keys"
    prepare("mnist", data, num_nodes=2)
    keys.mkdir()
    made = subprocess.run(
        ["bash", "-ec", KEYS.format(address=ADDRESSES["aggregator"])], cwd=keys, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    started = start_all(hosts, keys, data)
    words = ("run", "mnist", "--engine", "flower", "--superlink", "clinics", "--data", str(data), "--seed", "3")
    done = hosts.run("aggregator", "playground", *words, "--rounds", str(ROUNDS), "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    alone = run("mnist", data, num_rounds=ROUNDS, seed=3, out=tmp_path / "alone")
    found = Run.open(tmp_path / "run")
    assert found.record["nodes"]["node1"] == "", "nobody but node1 knows where its data are"
    assert (found.path / "model.pt").read_bytes() == (alone.path / "model.pt").read_bytes()

    started["node2"].kill()
    started["node2"].wait()
    again = ("resume", str(found.path), "--set", f"max_rounds={ROUNDS + 1}")
    cut = hosts.run("aggregator", "playground", *again)
    assert cut.returncode == 1 and "node2" in cut.stderr, cut.stderr
    start_node(hosts, keys, data, "node2")
    on = hosts.run("aggregator", "playground", *again)
    assert on.returncode == 0, on.stderr
    longer = run("mnist", data, num_rounds=ROUNDS + 1, seed=3, out=tmp_path / "longer")
    assert (found.path / "model.pt").read_bytes() == (longer.path / "model.pt").read_bytes()
