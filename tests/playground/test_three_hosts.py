"""A hub and its nodes on hosts with addresses of their own: TLS between them, and nobody learns who the others are.

The hosts are network namespaces on one bridge. Only the hub's port of it reaches the others: nodes cannot send each
other anything, so that whatever a node knows came through the hub.
"""

import datetime
import ipaddress
import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from playgroundworld import wait_for

from alphamed_tutorials.data.prepare import prepare
from alphamed_tutorials.engines.run import run

OWNERS = ("clinic-rhine", "clinic-yangtze")
NODES = ("aggregator", *OWNERS)  # the initiator's name starts its random numbers, as on the local engine
ADDRESSES = {
    "hub": "10.77.0.11",
    "aggregator": "10.77.0.12",
    "clinic-rhine": "10.77.0.13",
    "clinic-yangtze": "10.77.0.14",
}
URL = f"https://{ADDRESSES['hub']}:8443"
PATIENCE = 300  # seconds


class Host:
    """One network namespace."""

    def __init__(self, network: "Network", name: str):
        self.network, self.name = network, f"{network.prefix}-{len(network.hosts)}"
        ip("netns", "add", self.name)
        network.on_close.callback(ip, "netns", "del", self.name)
        cable = f"to{len(network.hosts)}"
        ip("-n", network.switch, "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("-n", network.switch, "link", "set", cable, "master", "bridge", "up")
        if name != "hub":  # ports that are isolated reach only ports that are not
            ip("-n", network.switch, "link", "set", cable, "type", "bridge_slave", "isolated", "on")
        ip("-n", self.name, "addr", "add", f"{ADDRESSES[name]}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", self.name, "link", "set", device, "up")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of ours on this host, which ends with the network."""
        process = subprocess.Popen(self._command(*words), stdout=subprocess.PIPE)
        self.network.on_close.callback(_end, process)
        return process

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours on this host."""
        return subprocess.run(self._command(*words), capture_output=True, text=True, timeout=PATIENCE)

    def answer(self, *words: str) -> dict[str, Any]:
        """Return what a command of ours answers."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    def reaches(self, address: str, port: int) -> bool:
        """Return whether a connection from this host is taken."""
        code = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
        return subprocess.run(self._python("-c", code), capture_output=True).returncode == 0

    def _command(self, *words: str) -> list[str]:
        return self._python("-c", "from alphamed_tutorials.command import main; main()", *words)

    def _python(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, sys.executable, *words]


class Network:
    """Hosts on one bridge, which has a namespace of its own: this machine's own network stays as it is."""

    def __init__(self) -> None:
        self.prefix, self.hosts = f"pg{uuid.uuid4().hex[:6]}", dict[str, Host]()
        self.switch, self.on_close = f"{self.prefix}-switch", ExitStack()

    def build(self) -> None:
        """Make it."""
        ip("netns", "add", self.switch)
        self.on_close.callback(ip, "netns", "del", self.switch)
        ip("-n", self.switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.switch, "link", "set", "bridge", "up")
        for name in ADDRESSES:
            self.hosts[name] = Host(self, name)


def ip(*words: str) -> None:
    """Call `ip`."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


@pytest.fixture
def hosts() -> Iterator[dict[str, Host]]:
    """A host for the hub, and one for each node."""
    if shutil.which("ip") is None:
        pytest.skip("there is no command `ip` (Debian: iproute2), which makes network namespaces")
    network = Network()
    with network.on_close:
        try:
            network.build()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.strip()}")
        yield network.hosts


def write_certificate(folder: Path, address: str) -> tuple[Path, Path]:
    """Write a certificate for an address, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "the playground's hub")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
    )
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, encipher_only=False, decipher_only=False, **usage
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "hub.pem", folder / "hub.key"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def told_of(folder: Path, words: set[str]) -> list[str]:
    """Return where a word stands below a folder: in names and contents of files, databases and logs among them."""
    found = []
    for file in folder.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        found += [f"{word} in {file}" for word in words if word.encode() in content or word in file.name]
    return found


@pytest.mark.soak
def test_a_task_between_hosts_whose_nodes_do_not_learn_of_each_other(hosts: dict[str, Host], tmp_path: Path) -> None:
    prepare("mnist", tmp_path / "data", num_nodes=2)
    data = dict(zip(NODES, (tmp_path / "data" / "nodes" / name for name in ("aggregator", "node1", "node2"))))
    certificate, key = write_certificate(tmp_path, ADDRESSES["hub"])
    places = {name: tmp_path / f"host-{number}" for number, name in enumerate(ADDRESSES)}
    on_hub = ("--dir", str(places["hub"]))
    listen = ("--host", ADDRESSES["hub"], "--port", "8443", "--certificate", str(certificate), "--key", str(key))
    hosts["hub"].start("hub", *on_hub, *listen, "--json")
    wait_for((places["hub"] / "hub.json").exists, PATIENCE)
    for name in NODES:
        token = hosts["hub"].answer("hub", "invite", name, *on_hub)["invitation"]
        words = ("--name", name, "--hub", URL, "--invitation", token, "--data", str(data[name]))
        if name == NODES[-1]:
            stranger = hosts[name].run("node", "--dir", str(tmp_path / "strange"), *words)
            assert stranger.returncode == 1 and "CERTIFICATE_VERIFY_FAILED" in stranger.stderr, stranger.stderr
        hosts[name].start("node", "--dir", str(places[name]), *words, "--ca", str(certificate))
    for name in NODES:
        wait_for((places[name] / "agent.json").exists, PATIENCE)
        assert hosts[name].reaches(ADDRESSES["hub"], 8443)
        port = json.loads((places[name] / "agent.json").read_text())["port"]
        assert not hosts["hub"].reaches(ADDRESSES[name], port), "an agent listens on its own machine alone"
        assert not any(hosts[name].reaches(ADDRESSES[other], port) for other in NODES if other != name)

    def verb(node: str, *words: str) -> dict[str, Any]:
        return hosts[node].answer("task", *words, "--node", str(places[node]))

    task = verb("aggregator", "create", "mnist", "--nodes", ",".join(OWNERS), "--rounds", "2", "--seed", "3")["id"]
    for owner in OWNERS:
        for kind, step in (("verify", "verify"), ("train", "join")):
            verb(owner, step, task, "--approve", verb(owner, "code", task, "--kind", kind)["sha256"])
    assert verb("aggregator", "start", task, "--wait")["state"] == "finished"

    alone = run(
        "mnist", nodes={name: data[name] for name in OWNERS}, aggregator=data["aggregator"], num_rounds=2, seed=3,
        out=tmp_path / "alone",
    )  # fmt: skip

    def has_model(name: str) -> bool:
        return "model.pt" in verb(name, "show", task)["here"]["results"]

    for name in NODES:
        wait_for(partial(has_model, name), PATIENCE)
        verb(name, "model", task, "--out", str(tmp_path / f"{name}.pt"))
        model = (tmp_path / f"{name}.pt").read_bytes()
        assert model == (alone.path / "model.pt").read_bytes(), f"{name} has other parameters"
        assert hosts[name].answer("audit", task, "--node", str(places[name]))["is_sound"]

    for name in NODES:
        names = set(OWNERS) - {name} if name != "aggregator" else set()
        addresses = {ADDRESSES[other] for other in NODES if other != name}
        assert not told_of(places[name], names | addresses)
    assert told_of(places["aggregator"], set(OWNERS)), "the initiator chose them by their names"
