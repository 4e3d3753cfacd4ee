"""Start programs that have torch and this project loaded already: the seconds of a test go into what it is about.

A server imports once what takes seconds. Two stand-ins, `python` for `python FILE.py` and `playground`, hand what they
are called with (arguments, folder, environment, open files) to it; it forks, and the fork runs the program.
"""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
_servers: list[subprocess.Popen] = []


@functools.cache
def stand_ins() -> Path:
    """Start the server, which ends with this process, and return the folder of the two stand-ins."""
    folder = Path(tempfile.mkdtemp(prefix="preloaded-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    client = (HERE / "client.py").read_text("utf-8")
    for name in ("python", "playground"):
        stand_in = folder / name
        stand_in.write_text(f"#!{sys.executable} -IS\n{client}", "utf-8")
        stand_in.chmod(0o755)
    command = [sys.executable, str(HERE / "server.py"), str(folder / "socket")]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment(), start_new_session=True)
    _servers.append(server)  # it lives as long as this end of its stdin
    assert server.stdout and server.stdout.readline() == b"ready\n", "the server of preloaded programs did not start"
    return folder


def environment(*first: Path) -> dict[str, str]:
    """Return what programs of tests find around them.

    Args:
        first: Folders where commands are looked for before all others.
    """
    path = os.pathsep.join([*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
