"""A SuperLink and a SuperNode for each data owner on this machine, which end with the process that starts them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from flwr.cli.typing import SuperLinkConnection

from ..errors import TutorialError
from ..playground.launching import bound
from .control import SuperLink, Unreachable
from .keys import HOST, certify, node_key

START_SECONDS = 60
END_SECONDS = 10
LOOK_SECONDS = 0.2
POLL_SECONDS = 0.05  # how often Flower looks for a message to start a process for; 1 if it is not told
SAFE = ("--enable-supernode-auth", "--disable-runtime-dependency-installation")
SCRIPTS = Path(sys.executable).parent
CERTIFICATES = {"ca-certfile": "ca.pem", "certfile": "server.pem", "keyfile": "server.key"}


class Started:
    """One of Flower's commands as a process.

    Args:
        name: What it is called in messages.
        command: Its script.
        arguments: Its arguments.
        log: Where its output goes.
        home: Where Flower keeps what it keeps.
    """

    def __init__(self, name: str, command: str, arguments: list[str], log: Path, home: Path):
        self.name, self.log = name, log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                bound(str(SCRIPTS / command), *arguments, by=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(home),
                start_new_session=True,  # Ctrl-C is for whoever started it
            )

    @property
    def ended(self) -> str:
        """How it ended; empty as long as it runs."""
        code = self.process.poll()
        if code is None:
            return ""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"{self.name} {how}; what it said last is in {self.log}"

    def wait(self) -> None:
        """Wait for its end, which was asked for; what it started ends too."""
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Cluster:
    """A SuperLink, and what was started with it.

    Args:
        superlink: To be asked.
        processes: Those of this machine that a run needs.
    """

    def __init__(self, superlink: SuperLink, processes: list[Started]):
        self.superlink, self.processes = superlink, processes

    @property
    def ended(self) -> str:
        """What to say of a process that has ended; empty as long as all run."""
        return next(filter(None, (process.ended for process in self.processes)), "")

    def end(self) -> None:
        """End the processes, SuperNodes first: they take leave of the SuperLink."""
        for process in reversed(self.processes):
            process.process.terminate()
        for process in reversed(self.processes):
            process.wait()


def environment(home: Path) -> dict[str, str]:
    """Return the variables of Flower's processes: they find its commands, and call nobody outside."""
    return {
        **os.environ,
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": str(POLL_SECONDS),
    }


@contextlib.contextmanager
def loopback(folder: Path, nodes: Mapping[str, Path]) -> Iterator[Cluster]:
    """Run a SuperLink and a SuperNode for each data owner to the end of a `with` block, with TLS and node keys.

    Args:
        folder: Where data owners keep their states, and Flower's logs go.
        nodes: The data folder of each data owner by name.

    Raises:
        TutorialError: One of them does not start.
    """
    with contextlib.ExitStack() as ends:
        home = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="flower-", ignore_cleanup_errors=True)))
        certify(home)
        _pass_by_proxies()
        address = f"{HOST}:{free_port()}"
        certificates = [f"--ssl-{kind}={home / name}" for kind, name in CERTIFICATES.items()]
        arguments = ["--host", HOST, "--port", address.partition(":")[2], *certificates, *SAFE]
        started = Started("the SuperLink", "flower-superlink", arguments, folder / "superlink.log", home)
        cluster = Cluster(SuperLink(SuperLinkConnection("of this run", address, str(home / "ca.pem"))), [started])
        ends.callback(cluster.end)
        ends.callback(cluster.superlink.close)
        _wait_for(cluster)
        for name, data in nodes.items():
            cluster.superlink.register(name, node_key(home / f"{name}.key"))
            cluster.processes.append(_supernode(name, data, folder, home, address))
        yield cluster


def _pass_by_proxies() -> None:
    """Let this process, and those it starts, reach this machine's own addresses without a proxy that may be set."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), HOST)))


def _supernode(name: str, data: Path, folder: Path, home: Path, address: str) -> Started:
    settings = " ".join(
        f"{key}={_quoted(value)}"
        for key, value in (("name", name), ("data", data.resolve()), ("folder", folder / name))
    )
    arguments = [
        "--superlink", address, "--root-certificates", str(home / "ca.pem"), "--auth-supernode-private-key",
        str(home / f"{name}.key"), "--host", HOST, "--port", str(free_port()), "--node-config", settings,
    ]  # fmt: skip
    return Started(f"the SuperNode of {name}", "flower-supernode", arguments, folder / f"supernode-{name}.log", home)


def _quoted(value: str | Path) -> str:
    """Return a text as Flower reads it from its command line: TOML, and no quote of the kind around it."""
    text = str(value)
    if '"' in text or "\\" in text or "\n" in text:
        raise TutorialError(f"{text}: Flower's command line takes no folder or name with a quote or a backslash in it")
    return f'"{text}"'


def _wait_for(cluster: Cluster) -> None:
    """Wait until a SuperLink that was just started answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            cluster.superlink.node_names()
            return
        except Unreachable:
            if cluster.ended or time.monotonic() > until:
                raise TutorialError(
                    cluster.ended or f"the SuperLink does not start: see {cluster.processes[0].log}"
                ) from None
            time.sleep(LOOK_SECONDS)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server((HOST, 0)) as found:
        return int(found.getsockname()[1])
