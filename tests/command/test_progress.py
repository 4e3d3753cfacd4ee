"""What is shown while a run goes on."""

import io
import pdb
import re
import sys

import pytest
from rich.console import Console

from alphamed_tutorials.command import progress


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    """Make the console a terminal 80 columns wide, and return what it shows."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=80, highlight=False, markup=False, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    return shown


def test_the_bar_follows_the_events(terminal):
    with progress.RunProgress(3) as run:
        for event in (
            {"event": "started", "round": 1},
            {"event": "training", "round": 2, "node": "[node]1"},
            {"event": "trained", "round": 2, "node": "[node]1"},
            {"event": "round_done", "round": 2, "metrics": {"test/accuracy": 0.5}},
        ):
            run(event)
            run.progress.refresh()
    shown = terminal.getvalue()
    for bar in ("setting up", "1/3 rounds", "round 2, [node]1 trains", "2/3 rounds"):
        assert bar in shown
    assert "round 2/3: test/accuracy 0.5000" in shown


def test_one_bar_serves_one_run_after_another(terminal):
    with progress.RunProgress() as run:
        for name, rounds in (("iid, centralised", 1), ("label_skew, node1", 20)):
            run({"event": "started", "round": 0, "run": name, "rounds": rounds})
            run({"event": "round_done", "round": 1, "run": name, "rounds": rounds, "metrics": {"loss": 2.0}})
            run.progress.refresh()
    shown = terminal.getvalue()
    assert "iid, centralised: round 1/1: loss 2.0000" in shown and "label_skew, node1: round 1/20:" in shown
    assert re.search(r"1/1 +rounds", shown) and "1/20 rounds" in shown


def test_a_breakpoint_takes_the_place_of_the_bar(terminal, monkeypatch):
    outer, stopped_at = sys.breakpointhook, []
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    with progress.RunProgress(3) as run:

        def set_trace(self, frame):
            stopped_at.append((frame.f_code.co_name, run.progress.live.is_started))

        monkeypatch.setattr(pdb.Pdb, "set_trace", set_trace)
        assert run.progress.live.is_started
        breakpoint()
    assert stopped_at == [("test_a_breakpoint_takes_the_place_of_the_bar", False)]
    assert sys.breakpointhook is outer


def test_a_debugger_of_ones_own_is_called(terminal, monkeypatch):
    called = []
    monkeypatch.setenv("PYTHONBREAKPOINT", "mine.set_trace")
    monkeypatch.setattr(sys, "breakpointhook", lambda: called.append(run.progress.live.is_started))
    with progress.RunProgress(3) as run:
        breakpoint()
    assert called == [False]


def test_downloads_have_a_bar_each(terminal):
    with progress.DownloadProgress() as downloads:
        downloads("images.gz", 0, None)
        downloads("images.gz", 500, 1000)
        downloads("labels.gz", 20, 20)
        downloads.progress.refresh()
    shown = terminal.getvalue()
    assert "images.gz" in shown and "0.5/1.0 kB" in shown and "20/20 bytes" in shown


def table_of(capsys, rows) -> str:
    progress.show_table("Title", ("name", "value"), rows)
    return capsys.readouterr().out


def test_a_table_sets_numbers_to_the_right_and_shows_brackets(capsys):
    shown = table_of(capsys, [("[bold]", "1.5"), ("b", "10.25")])
    (first,) = (line for line in shown.splitlines() if "[bold]" in line)
    (second,) = (line for line in shown.splitlines() if "10.25" in line)
    assert first.index("[bold]") == second.index("b ")
    assert first.index("1.5") + len("1.5") == second.index("10.25") + len("10.25")


def test_a_table_without_rows_has_its_head(capsys):
    assert "name" in table_of(capsys, [])


def test_a_wide_table_is_whole_in_a_pipe(capsys):
    assert "x" * 150 in table_of(capsys, [("a", "x" * 150)])


def test_nothing_is_lost_on_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", table_of(capsys, [("node", "abcdefghij" * 4)]))
    assert max(map(len, shown.splitlines())) <= 30
    assert "…" not in shown and shown.count("j") == 4


def test_a_name_with_a_line_break_stays_in_its_line(capsys):
    with progress.RunProgress(1) as shown:
        shown({"event": "round_done", "round": 1, "metrics": {"two\nlines": 0.5}})
    progress.show_table("title", ["two\nlines"], [["0.5"]])
    out, err = capsys.readouterr()
    assert err == "round 1/1: two\\nlines 0.5000\n" and "two\\nlines" in out


def test_a_message_is_shown_as_it_is_and_in_one_line(capsys):
    progress.say("[red]folder/" + "x" * 100)
    assert capsys.readouterr().err == "[red]folder/" + "x" * 100 + "\n"
