"""Ctrl-C in moments in which Python or torch make something else of it."""

import signal

import pytest
from schedulers import Tiny, write_data

from alphamed_tutorials.engines.local import resume_local, run_local
from alphamed_tutorials.runs.folder import Run


@pytest.fixture(autouse=True)
def heard():
    """Let Ctrl-C interrupt, as on a terminal: what starts the tests may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def data(tmp_path):
    """Return a prepared data folder with two data owners."""
    return write_data(tmp_path / "data", node1=8, node2=8)


class StruckWhenGone:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


class Dropped(Tiny):
    """Be interrupted where Python drops every exception."""

    def train_an_epoch(self):
        super().train_an_epoch()
        if self.node == "node1" and self.current_round == 2:
            StruckWhenGone()


class Translated(Tiny):
    """Be interrupted where other code makes an error of it, as torch's does while it writes a file."""

    def train_an_epoch(self):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("unexpected pos 64 vs 0") from error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("task", "rounds_done"), [(Dropped, 1), (Translated, 0)])
def test_ctrl_c_ends_the_run_whatever_became_of_it(data, tmp_path, task, rounds_done):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_local(task(max_rounds=3), data, tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert (run.state, run.record["rounds_done"]) == ("interrupted", rounds_done)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_run_that_lost_ctrl_c_can_be_resumed(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_local(Dropped(max_rounds=2), data, tmp_path / "run")
    assert resume_local(tmp_path / "run", {"max_rounds": 1}).state == "done"


def test_who_makes_something_else_of_ctrl_c_is_not_interrupted(data, tmp_path):
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("Ctrl-C"))
    try:
        assert run_local(Dropped(max_rounds=3), data, tmp_path / "run").state == "done"
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == ["Ctrl-C"]
