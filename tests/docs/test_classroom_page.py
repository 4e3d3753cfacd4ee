"""What the page about a class says works: its certificate, its commands, its figures."""

import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playgroundworld import free_port, wait_for

from alphamed_tutorials.playground.agent.client import Agent
from alphamed_tutorials.playground.hub import forms, state
from pages import LANGUAGES, ROOT, Page

PAGES = {language: Page(ROOT / "docs" / language / "playground/several-machines.md") for language in LANGUAGES}
NO_PROXY_THERE = {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
ENVIRONMENT = os.environ | NO_PROXY_THERE | {"PATH": PATH, "OMP_NUM_THREADS": "1"}
PATIENCE = 120  # seconds


def block(start: str, port: int, *changes: tuple[str, str]) -> str:
    """Return the code block that starts so, for a class of two on this machine."""
    [code] = [each.text for each in PAGES["en"].blocks if each.text.startswith(start)]
    of_two = [("192.0.2.1", "127.0.0.1"), ("8443", str(port)), ("nodes 30", "nodes 2"), ("(seq 30)", "(seq 2)")]
    for before, after in [*of_two, ("student-%g 30", "student-%g 2"), *changes]:
        code = code.replace(before, after)
    return code


def shell(code: str, folder: Path) -> str:
    """Run code and return what it prints."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], cwd=folder, env=ENVIRONMENT, text=True, timeout=PATIENCE,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def going_on(command: str, folder: Path) -> Iterator[None]:
    """Run a command that goes on until it is ended."""
    with subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder, env=ENVIRONMENT) as process:
        try:
            yield
        finally:
            process.terminate()


@contextmanager
def node(name: str, token: str, data: str, folder: Path, port: int) -> Iterator[Agent]:
    """Run a node as the page says."""
    code = block("curl", port, ("student-7", name), ("TOKEN", token), ("data/nodes/node7", data))
    with going_on(code[code.index("playground node") :], folder):
        wait_for((folder / name / "agent.json").exists, PATIENCE)
        yield Agent(folder / name)


def invitations(printed: str) -> dict[str, str]:
    """Return the tokens that the hub's commands have printed, by node."""
    return dict(re.findall(r"--name (\S+) .*--invitation (\S+)", printed))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """The page's hub, with the page's certificate: its folder and its port."""
    port = free_port()
    shell(block("openssl", port), tmp_path)
    with going_on(block("playground hub", port), tmp_path):
        wait_for((tmp_path / "hub/hub.json").exists, PATIENCE)
        yield tmp_path, port


def test_the_code_is_the_same_in_both_languages():
    assert [each.text for each in PAGES["zh"].blocks] == [each.text for each in PAGES["en"].blocks]


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_those_of_the_code(language):
    text, is_english = PAGES[language].path.read_text("utf-8"), language == "en"
    assert (f"up to {forms.MOST_NODES} invited" if is_english else f"最多邀请 {forms.MOST_NODES} 个") in text
    assert (f"After {state.Limits().away} seconds" if is_english else f"{state.Limits().away} 秒后") in text


def test_the_certificate_is_for_the_address_and_for_a_tunnel_also_where_python_is_strict(hub):
    folder, port = hub
    trust = ssl.create_default_context(cafile=folder / "hub.pem")
    trust.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on

    def connect(name: str) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            trust.wrap_socket(connection, server_hostname=name).close()

    connect("127.0.0.1")
    connect("localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        connect("127.0.0.2")


def test_a_start_without_the_certificate_uses_up_no_invitation(hub):
    folder, port = hub
    token = invitations(shell("playground hub invite student-1 --dir hub", folder))["student-1"]
    data, url = str(folder), f"https://localhost:{port}"
    command = f"playground node --dir student-1 --hub {url} --invitation {token} --data {data}"
    stopped = subprocess.run(command.split(), cwd=folder, env=ENVIRONMENT, text=True, stderr=subprocess.PIPE)
    assert stopped.returncode == 1 and "CERTIFICATE_VERIFY_FAILED" in stopped.stderr
    shell("rm -r student-1", folder)
    with going_on(f"{command} --ca hub.pem", folder):  # though the environment names a proxy
        wait_for((folder / "student-1/agent.json").exists, PATIENCE)
        assert Agent(folder / "student-1").nodes() == [{"name": "student-1", "organisation": "student-1"}]


@pytest.mark.soak
def test_the_lesson(hub):
    folder, port = hub
    printed = shell(block("for number", port), folder)
    tokens = invitations((folder / "invitations.txt").read_text() + printed)
    assert set(tokens) == {"student-1", "student-2", "teacher"}
    assert shell(block("curl", port).splitlines()[0].replace("curl", "curl --noproxy '*'"), folder) == '{"ok":true}'
    shell(block("playground prepare", port), folder)
    with ExitStack() as running:
        running.enter_context(node("teacher", tokens["teacher"], "data/nodes/aggregator", folder, port))
        students = [
            running.enter_context(node(name, tokens[name], f"data/nodes/node{name[-1]}", folder, port))
            for name in ("student-1", "student-2")
        ]
        lesson = block("export PLAYGROUND_NODE=teacher", port, ('--nodes "', '--rounds 1 --nodes "')).splitlines()
        shell("\n".join(lesson[:-1]), folder)
        for student in students:  # who looks at the code and says yes
            [task] = [each["id"] for each in student.tasks()]
            assert student.verify(task, student.code(task, "verify")["sha256"])["ok"]
            student.join(task, student.code(task, "train")["sha256"])
        shell("\n".join([lesson[0], lesson[-1]]), folder)
        wait_for(lambda: "model.pt" in students[0].show(task)["here"]["results"], PATIENCE)
        home = block("playground task model", port)
        shell(f"export PLAYGROUND_NODE=student-1\n{home}", folder)
        assert (folder / "model.pt").stat().st_size > 0
        shell("playground hub revoke student-2 --dir hub", folder)
        wait_for(lambda: students[1].status()["hub_is_away"], PATIENCE)
        assert "was revoked" in students[1].status()["hub_is_away"]
