"""What code of a task may not do on a node, tried in a child."""

import json
import re
from pathlib import Path

import pytest
from standin import start_child, write_child
from test_child import ENVIRONMENT

VERIFY = """
import importlib, json, os, pathlib, resource, signal, socket, sqlite3, subprocess, sys, time, urllib.request

class DatasetVerify:
    data_dir = "/data/x"

    def __init__(self, task_id, current_node): ...

    def verify_data(self):
        {body}
"""
# Tries each attack, and tells how each ended.
ALL = """said = {{}}
        for name, attack in {attacks!r}.items():
            try:
                exec(attack)
                said[name] = "nothing stopped it"
            except BaseException as error:
                said[name] = type(error).__name__ + ": " + str(error)
        return False, json.dumps(said)"""
ATTACKS = {
    "a program": ("subprocess.run(['id'])", "start another program"),
    "a shell": ("os.system('id')", "start another program"),
    "another program": ("os.execv('/bin/sh', ['sh'])", "start another program"),
    "a spawned program": ("os.posix_spawn('/bin/sh', ['sh'], {{}})", "start another program"),
    "a connection": ("socket.create_connection(('192.0.2.1', 80))", "ask for the address of 192.0.2.1"),
    "a port of this machine": ("socket.create_connection(('127.0.0.1', 22))", "connect to 127.0.0.1, port 22"),
    "a name": ("urllib.request.urlopen('http://example.org')", "ask for the address of example.org"),
    "a datagram": (
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))", "connect to 192.0.2.1",
    ),
    "a server": ("socket.socket().bind(('0.0.0.0', 0))", "listen on"),
    "the keys": ("open({keys!r} + '/signing.key').read()", "read .*signing.key, which is the node's own"),
    "the keys, by a link": (
        "os.symlink({keys!r}, 'k'); open('k/signing.key').read()", "read .*signing.key, which is the node's own",
    ),
    "the keys, by their folder": (
        "f = os.open({node!r}, os.O_RDONLY); os.open('keys/signing.key', os.O_RDONLY, dir_fd=f)", "open the folder",
    ),
    "the list of keys": ("os.listdir({keys!r})", "which is the node's own"),
    "a file elsewhere": ("open({node!r} + '/x', 'w')", "write to .*/x, outside of its own folders"),
    "its own code": ("open(__file__, 'a')", "write to .*DatasetVerify.py"),
    "the removal of data": ("os.remove({node!r} + '/data/a')", "write to a, outside of its own folders"),
    "a file elsewhere, by its folder": (
        "f = os.open('/var', os.O_RDONLY)\n"
        "os.close(os.open('playground-was-here', os.O_WRONLY | os.O_CREAT, dir_fd=f))",
        "write to /var/playground-was-here, outside of its own folders",
    ),
    "the keys, by a folder of its own": (
        "f = os.open('.', os.O_RDONLY)\n"
        "os.symlink({keys!r}, 'by_folder')\n"
        "os.chdir('..')\n"
        "try: os.open('by_folder/signing.key', os.O_RDONLY, dir_fd=f)\n"
        "finally: os.chdir('work')",
        "read .*signing.key, which is the node's own",
    ),
    "a folder elsewhere, by another": (
        "os.mkdir('playground-was-here', dir_fd=os.open('/var', os.O_RDONLY))", "write to /var/playground-was-here",
    ),
    "rights of an open file": ("os.chmod(os.open({node!r} + '/data/a', os.O_RDONLY), 0)", "write to a, outside"),
    "a database": ("sqlite3.connect({node!r} + '/agent.db')", "open the database .*agent.db"),
    "a database of its own, and another from it": (
        "sqlite3.Connection(':memory:').execute('ATTACH ? AS other', [{node!r} + '/agent.db'])", "open the database :mem",
    ),
    "the agent's environment": ("open(f'/proc/{{os.getppid()}}/environ', 'rb').read()", r"look into process \d+"),
    "the agent's memory": ("open('/proc/self/../%d/mem' % os.getppid(), 'rb')", r"look into process \d+"),
    "the agent's threads": ("os.listdir(f'/proc/{{os.getppid()}}/task')", r"look into process \d+"),
    "the agent's files, by a link": (
        "os.symlink(f'/proc/self/root/proc/{{os.getppid()}}/fd/0', 'fd0'); open('fd0')", r"look into process \d+",
    ),
    "the agent's folder, entered": ("os.chdir(f'/proc/{{os.getppid()}}/cwd')", r"look into process \d+"),
    "a signal by another name": (
        "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)", "call signal.pidfd_send_signal",
    ),
    "limits of the agent": ("resource.prlimit(os.getppid(), resource.RLIMIT_CPU)", "limits of process"),
    "a limit of its own": ("resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))", "raise a limit of its own"),
    "a pipe elsewhere": ("os.mkfifo({node!r} + '/x')", "call os.mkfifo, which Python announces to no"),
    "the machine's disk": ("importlib.import_module('posix').mknod('disk', 0o060600, 0x800)", "call posix.mknod"),
    "another root": ("os.chroot('/')", "call os.chroot"),
    "a program, past subprocess": ("importlib.import_module('_posixsubprocess').fork_exec()", "call _posixsubprocess.fork_exec"),
    "a process without a fence": (
        "import multiprocessing; multiprocessing.get_context('spawn').Process(target=print).start()",
        "call _posixsubprocess.fork_exec",
    ),
    "an interpreter without a fence": (
        "importlib.import_module('_interpreters' if sys.version_info >= (3, 13) else '_xxsubinterpreters').create()",
        "make another interpreter|interpreter creation failed",
    ),
    "a file by readline": ("importlib.import_module('readline').write_history_file({node!r} + '/x')", "import of readline"),
    "a program by Tcl": ("importlib.import_module('tkinter').Tcl().eval('exec id')", "import of _tkinter"),
    "all that comes by": ("socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768)", "hears what is not meant for it"),
    "a raw socket": ("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "hears what is not meant for it"),
    "a socket's file elsewhere": ("socket.socket(socket.AF_UNIX).bind('/tmp/x.sock')", "write to /tmp/x.sock, outside"),
    "the agent's process": ("os.kill(os.getppid(), 9)", "send a signal to process"),
    "a process of a process": (
        "r, w = os.pipe(); p = os.fork()\n"
        "if not p:\n"
        "    try: os.fork()\n"
        "    except PermissionError as e: os.write(w, str(e).encode())\n"
        "    os._exit(0)\n"
        "raise RuntimeError(os.read(r, 200))", "start processes in a process",
    ),
    "processes without end": (
        "[os.fork() or (time.sleep(3), os._exit(0)) for _ in range(20)]", "have more than 4 processes at a time",
    ),
    "a file without end": ("with open('x', 'wb') as f:\n    for _ in range(64): f.write(bytes(2**20))", "File too large"),
    "memory without end": ("x = [bytes(2**28) for _ in range(64)]", "MemoryError"),
}  # fmt: skip


def ask(node: Path, body: str) -> dict:
    """Return the verdict of a child on a node whose folder is `node`."""
    for folder in ("keys", "data", "tasks"):
        (node / folder).mkdir()
    (node / "keys" / "signing.key").write_text("secret")
    (node / "data" / "a").touch()
    folder = write_child(
        node / "tasks" / "t1",
        b"",
        kind="verify",
        name="node1",
        role="owner",
        data=node / "data",
        base="http://127.0.0.1:9/x",
        forbidden=[node / "keys"],
        limits={"file": 2**25, "processes": 4, "memory": 3 * 2**30},
    )
    (folder / "code" / "entry.pickle").unlink()
    (folder / "code" / "DatasetVerify.py").write_text(VERIFY.format(body=body))
    start_child(folder, ENVIRONMENT).wait(60)
    verdict = json.loads((folder / "verdict.json").read_text())
    assert str(folder) not in verdict["reason"] and str(node / "data") not in verdict["reason"]
    return verdict


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict:
    node = tmp_path_factory.mktemp("node")
    places = {"node": str(node), "keys": str(node / "keys")}
    attacks = {name: attack.format_map(places) for name, (attack, _) in ATTACKS.items()}
    found = json.loads(ask(node, ALL.format(attacks=attacks))["reason"])
    assert (node / "data" / "a").exists() and not (node / "x").exists()
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_what_code_of_a_task_may_not_do_is_refused(said, name):
    assert re.search(ATTACKS[name][1], said[name])


@pytest.mark.parametrize(
    "body, reason",
    [
        ("sys.exit(3)", "DatasetVerify itself failed: DatasetVerify.py, line 10: SystemExit: 3"),
        (
            "subprocess.run(['id'])",
            "DatasetVerify.py, line 10: Forbidden: code of a task may not start another program",
        ),
        ("return 'yes'", "DatasetVerify.py, line 9: verify_data() returned a str: return whether the data will do"),
    ],
)
def test_a_verification_that_breaks_ends_with_its_line(tmp_path, body, reason):
    verdict = ask(tmp_path, body)
    assert not verdict["ok"] and reason in verdict["reason"]
