"""Import what takes seconds, then fork a program for each call of a stand-in. Usage: server.py SOCKET."""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

STORE = "STORE_OF_PREPARED_DATA"
HEAVY = (
    "alphamed_tutorials",  # before alphafed, as everywhere
    "alphamed_tutorials.command",
    "alphamed_tutorials.engines.run",
    "alphamed_tutorials.runs.export",
    "matplotlib.figure",
    "sklearn.datasets",
    "torchaudio",
    "torchvision.transforms.v2",
    "onnxscript.optimizer",
    "onnxruntime",
)
EXPORTERS = (  # what torch's exporters would import, where it is there: in no version before 2.5
    "torch._dynamo",
    "torch._functorch.aot_autograd",
    "torch.onnx._internal.exporter._core",
)


def wait_for_program(address: str) -> dict[str, Any]:
    """Return, in a new process, what a stand-in asks for; its open files are this process's then."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the dead
    while server in select.select([server, sys.stdin], [], [])[0]:  # stdin ends with the tests
        connection, _ = server.accept()
        if not os.fork():
            server.close()
            return received(connection)
        connection.close()
    sys.exit()


def received(connection: socket.socket) -> dict[str, Any]:
    """Fork once more: the new process gets the request and returns, this one waits for it, and ends it with its caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, *_ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(size, "big")))
    program = os.fork()
    if not program:
        connection.close()
        os.setsid()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return request
    for file in (*files, 1):
        os.close(file)
    ended = os.pidfd_open(program)
    if connection in select.select([connection, ended], [], [])[0]:  # its caller is gone
        with contextlib.suppress(ProcessLookupError):
            os.kill(program, signal.SIGKILL)
            os.killpg(program, signal.SIGKILL)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    connection.sendall(b"%d" % (status if status >= 0 else 128 - status))
    os._exit(0)


def become(program: list[str], folder: str, environment: dict[str, str]) -> str:
    """Take over a program's arguments, folder and environment; return its file."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    file = Path(program[0]).absolute()
    sys.argv, sys.path[0] = program, str(file.parent)
    return str(file)


def share_prepared_data(store: str) -> None:
    """Let `prepare` copy what an earlier program prepared with the same arguments."""
    module = importlib.import_module("alphamed_tutorials.data.prepare")
    module.prepare = importlib.import_module("prepared").once_and_copied(module.prepare, Path(store))


def run(file: str) -> int:
    """Run a program and return its exit status, as Python itself would."""
    try:
        runpy.run_path(file, run_name="__main__")
    except SystemExit as stopped:
        if isinstance(stopped.code, int | None):
            return stopped.code or 0
        print(stopped.code, file=sys.stderr)
        return 1
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def end(status: int) -> None:
    """Do what Python does at its end, but take no modules to pieces: with torch that lasts longer than most programs."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    for module in HEAVY:
        importlib.import_module(module)
    for module in EXPORTERS:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(module)
    gc.freeze()  # no fork looks through what was made before it
    request = wait_for_program(sys.argv[1])
    if STORE in request["environment"]:
        share_prepared_data(request["environment"][STORE])
    end(run(become(**request)))
