"""The data owners of a task, dealt out to several processes of this machine: each trains its own ones.

A node has its own random numbers, and its parameters are summed in the order of the nodes whoever trained them: the
average is that of one process to the last bit.
"""

import contextlib
import ctypes
import io
import logging
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import multiprocessing

from ..faults import quiet_threads
from ..runs.machine import available_memory, cores
from .failures import WorkerEnded, is_portable
from .settings import Settings
from .share import Plan, Ready, Share, Turn
from .workers import hand_over_by_value
from .workplace import level, outside

A_WORKER = 2**31  # bytes that a worker may need: those of a detector
AHEAD = 2  # turns of a worker that may wait in this process for those of others, or as many as there is room for
ROOM = 2**28  # bytes for them
PR_SET_PDEATHSIG = 1
SECONDS_TO_END = 10


class Worker:
    """A process that runs some of the data owners.

    Args:
        plan: The run.
        names: The data owners.
    """

    def __init__(self, plan: Plan, names: list[str]):
        self.names = names
        context: Any = multiprocessing.get_context(_start_method(plan))
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(plan, names, theirs, os.getpid()), name=f"nodes {names[0]} …"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: ours only show progress
            self.process.start()
        theirs.close()
        self.answers: queue.Queue[tuple[Any, ...]] = queue.Queue(AHEAD)
        threading.Thread(target=self._receive, daemon=True).start()

    def ask(self, method: str, *arguments: Any) -> None:
        """Let the process call a method of its share."""
        with contextlib.suppress(OSError):  # the answer will be that it has ended
            self.connection.send((method, arguments))

    def answer(self) -> Any:
        """Return what the method yields next.

        Raises:
            WorkerEnded: The process has ended.
        """
        kind, value, printed = self.answers.get()
        with outside():
            for stream, text in zip((sys.stdout, sys.stderr), printed):
                stream.write(text)
        if kind == "error":
            raise value
        return value

    def _receive(self) -> None:
        while True:
            try:
                self.answers.put(pickle.loads(self.connection.recv_bytes()))
            except (EOFError, OSError):
                self.process.join(SECONDS_TO_END)
                self.answers.put(("error", WorkerEnded(self._ended()), ("", "")))
                return

    def _ended(self) -> str:
        code = self.process.exitcode
        how = f"was ended by signal {-code}" if code and code < 0 else f"ended with code {code}"
        return (
            f"the process that trains {self.names[0]} and {len(self.names) - 1} more {how}: where memory is short, the "
            "system does that. Go on with fewer processes at a time: --workers 1"
        )

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self.process.terminate()
        self.process.join(SECONDS_TO_END)
        if self.process.exitcode is None:
            self.process.kill()


class Crew:
    """Run data owners in processes beside this one; what it offers is what a `Share` offers.

    Args:
        plan: The run.
        names: The data owners.
        num_workers: How many processes.
    """

    def __init__(self, plan: Plan, names: list[str], num_workers: int):
        shares = dealt({name: plan.run.record["nodes"][name] for name in names}, num_workers)
        self.workers = [Worker(plan, names) for names in shares]
        self.of = {name: worker for worker, names in zip(self.workers, shares) for name in names}

    def set_up(self, files: Mapping[str, Path | None], number: int, settings: Settings) -> Iterator[Ready]:
        """Do what `Share.set_up` does, all processes at a time."""
        for worker in self.workers:
            worker.ask("set_up", {name: files[name] for name in worker.names}, number, settings)
        for name in files:
            yield self.of[name].answer()

    def turns(self, number: int, parameters: bytes, names: list[str]) -> Iterator[Turn]:
        """Do what `Share.turns` does, all processes at a time."""
        for worker in self.workers:
            worker.answers.maxsize = max(AHEAD, ROOM // len(parameters))
            worker.ask("turns", number, parameters, [name for name in names if self.of[name] is worker])
        for name in names:
            yield self.of[name].answer()

    def close(self) -> None:
        """End the processes."""
        for worker in self.workers:
            worker.end()


def workers_that_help(num_owners: int, num_threads: int) -> int:
    """Return how many processes shorten a run on this machine: one for each core, as far as memory goes.

    Args:
        num_owners: Data owners of the run.
        num_threads: Torch's threads in each process.
    """
    if torch.cuda.is_available():  # which all of them would share
        return 1
    memory = available_memory()
    return max(1, min(cores() // num_threads, num_owners, num_owners if memory is None else memory // A_WORKER))


def dealt(folders: Mapping[str, str], num_workers: int) -> list[list[str]]:
    """Deal nodes out to processes, so that each has about as many bytes of data; each keeps the order of the nodes."""
    sizes = {name: _num_bytes(Path(folder)) for name, folder in folders.items()}
    shares: list[list[str]] = [[] for _ in range(num_workers)]
    loads = [0] * num_workers
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        lightest = loads.index(min(loads))
        shares[lightest].append(name)
        loads[lightest] += max(1, sizes[name])
    return [[name for name in sizes if name in share] for share in map(set, shares) if share]


def _num_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _start_method(plan: Plan) -> str:
    """Return how a process is started: as a copy, at once; anew, where torch's threads or GPU cannot be copied."""
    can_be_copied = sys.platform == "linux" and not torch.cuda.is_initialized() and plan.run.record["num_threads"] == 1
    return "fork" if can_be_copied else "spawn"


def _work(plan: Plan, names: list[str], connection: Connection, parent: int) -> None:
    """Do what a worker is asked, to the end of the process that asks."""
    _end_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that asks ends this one
    hand_over_by_value()
    torch.set_num_threads(plan.run.record["num_threads"])
    sys.breakpointhook = _no_breakpoint
    with quiet_threads(), level(logging.INFO), contextlib.suppress(EOFError, BrokenPipeError):
        share: Share | None = None
        while True:
            method, arguments = connection.recv()
            share = share or Share(plan, names)
            _answer(connection, getattr(share, method)(*arguments))


def _answer(connection: Connection, answers: Iterator[Any]) -> None:
    """Send what a method yields, and what was printed meanwhile."""
    is_done = False
    while not is_done:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as errors:
            try:
                kind, value = "answer", next(answers, None)
                is_done = value is None
            except BaseException as error:
                kind, value, is_done = "error", _portable(error), True
        if value is not None:
            # no send(): torch would hand tensors over in shared memory, by one open file each
            connection.send_bytes(pickle.dumps((kind, value, (out.getvalue(), errors.getvalue()))))


def _portable(error: BaseException) -> BaseException:
    """Return an error that another process can read, with the way it came as a note."""
    error.add_note("".join(traceback.format_exception(error)).rstrip())
    return error if is_portable(error) else RuntimeError(f"{type(error).__name__}: {error}")


def _no_breakpoint(*_: Any, **__: Any) -> None:
    if os.environ.get("PYTHONBREAKPOINT") == "0":
        return
    raise RuntimeError(
        "breakpoint() needs the terminal, which nodes in several processes cannot share: add --workers 1"
    )


def _end_with(parent: int) -> None:
    """Let this process be killed when its parent is, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # killed meanwhile
            os._exit(1)
