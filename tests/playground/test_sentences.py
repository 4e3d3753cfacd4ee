"""Whatever the playground says to people is said in Chinese too."""

import asyncio
import json
import re
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from playgroundhub import Task, running
from pydantic import ValidationError
from saying import PART as PLACEHOLDER
from saying import Reader, Text
from schedulers import Tiny

from alphamed_tutorials.engines import averaging, refusals
from alphamed_tutorials.engines.failures import BrokenContract
from alphamed_tutorials.playground import page
from alphamed_tutorials.playground.audit import timeline
from alphamed_tutorials.playground.hub import app, forms
from alphamed_tutorials.playground.page import sentences
from alphamed_tutorials.playground.page.sentences import PART, chinese
from alphamed_tutorials.playground.source import DEFAULT_VERIFICATION

PLAYGROUND = Path(page.__file__).parents[1]
PACKAGE = PLAYGROUND.parent
TO_A_TERMINAL = {
    "__main__.py", "serve.py", "client.py", "place.py", "engine.py", "listening.py", "processes.py", "schema.py",
}  # fmt: skip
ELSEWHERE = {
    "steps.py",
    "words.py",
    "sessions.py",
    "live.py",
    "curves.py",
}  # of the page: in words.zh.toml, or for browsers
FILES = [
    *(file for file in sorted(PLAYGROUND.rglob("*.py")) if file.name not in TO_A_TERMINAL | ELSEWHERE),
    *(PACKAGE / "engines" / f"{name}.py" for name in ("failures", "refusals", "contract", "traps", "kept", "peers")),
    *(PACKAGE / "data" / f"{name}.py" for name in ("verify", "limits")),
    PACKAGE / "faults.py",
    PACKAGE / "errors.py",
]
SAID_TO_NOBODY = {
    "push ⟦⟧ ⟦⟧ ⟦⟧",  # the name of a place on the tape
    "Playground hub",  # OpenAPI
    "body: ⟦⟧",  # pydantic's own words follow, see below
    "Expected more than 1 (spatial element|value per channel) when training",  # what torch says
    "return nn.Linear(4, 2)",  # code
    "return torch.optim.SGD(model.parameters(), lr=0.01)",
    "⟦⟧: ⟦⟧",  # what the average would get wrong, see below
    "⟦⟧ (⟦⟧ more like it): ⟦⟧",
    "unexpected pos",  # what torch says
    "PytorchStreamWriter failed",
    DEFAULT_VERIFICATION,  # a file of its own: what it says is read apart
}
CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile("[a-z]{2,}[,:;]? [a-z]{2,}")
CODE = re.compile(r"`[^`]*`|\w\([^()]*\)")
NASTY = ["医院 A", "a'b\"c", "{who}", r"[0-9]+(.*)$^\d", "p-0a1b2c3d", "https://[::1]:8443/x?y=%20&z", "two\nlines"]

TABLES = tomllib.loads(sentences.FILE.read_text("utf-8"))
OURS = {sentences.LINE + english: sentences.LINE + own for english, own in TABLES["timeline"].items()}
OURS |= TABLES["sentences"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> list[Text]:
    verification = tmp_path_factory.mktemp("source") / "DatasetVerify.py"
    verification.write_text(DEFAULT_VERIFICATION, "utf-8")
    found = [*Reader(FILES).texts(), *Reader([verification]).texts()]
    assert len(found) > 250  # it still finds them
    return [text for text in found if PLACEHOLDER.sub("⟦⟧", text.said) not in SAID_TO_NOBODY]


class Holding(Tiny):
    """Has the state dict that it is given."""

    def __init__(self, state):
        super().__init__()
        self.state = state

    def state_dict(self):
        return {name: value() if callable(value) else value for name, value in self.state.items()}


SHARED, LARGE = torch.ones(4), torch.full((2,), 60000, dtype=torch.float16)
UNFIT = [
    {"words": "one two"},
    {"sparse": torch.ones(2, 2).to_sparse()},
    {"weight": torch.ones(2, requires_grad=True)},
    {"wide": torch.ones(1).expand(3)},
    {"copied": lambda: torch.ones(3)},
    {"copied": lambda: torch.ones(3), "words": "one"},
    {"mask": torch.ones(3, dtype=torch.bool)},
    {"small": torch.full((3,), 100, dtype=torch.int8)},
    {"small": torch.full((3,), 100, dtype=torch.int8), "words": "one"},
    {"small": torch.tensor([3.0e38])},
    {"one": SHARED, "other": SHARED},
    {"one": SHARED, "other": SHARED, "words": "one"},
    {"words": "one", "more words": "two"},
]


@pytest.fixture(scope="module")
def unfit() -> list[str]:
    """Return what is said of parameters that cannot be averaged."""
    said = []
    for state in UNFIT:
        scheduler = Holding(state)
        with pytest.raises(BrokenContract) as refused:
            refusals._refuse_faults(scheduler, averaging.faults(scheduler, 3))
        said.append(str(refused.value))
    for state in ({"large": LARGE}, {"large": LARGE, "other": LARGE.clone()}):
        sums = averaging.Sums()
        with pytest.raises(BrokenContract) as refused:
            for _ in range(3):
                refusals.refuse_overflow(Holding(state), sums)
        said.append(str(refused.value))
    return said


def fault_of(text: Text) -> str:
    """Say what is wrong with the Chinese for a text; nothing where it will do."""
    said, own = text.said, chinese(text.said)
    if own == said and not text.is_whole:  # perhaps a part of others
        own = next((found for table in TABLES["parts"] if (found := sentences._filled(said, 1, table))), said)
    if not CHINESE.search(own):
        return "is not in sentences.zh.toml"
    if lost := [part for part in PLACEHOLDER.findall(said) if part not in own]:
        return f"loses {len(lost)} of its parts: {own}"
    return f"is in English still, in part: {own}" if ENGLISH.search(CODE.sub("", own)) else ""


def test_all_that_is_said_is_said_in_chinese(texts):
    faults = [
        f"{text.file}, line {text.line}: {PLACEHOLDER.sub('{…}', text.said)!r} {fault}"
        for text in texts
        if (fault := fault_of(text))
    ]
    assert not faults, "\n".join(faults)


def test_what_cannot_be_averaged_is_said_in_chinese(unfit):
    own = [re.sub("（.*?）", "", chinese(said)) for said in unfit]  # without what torch says
    assert [said for said in own if ENGLISH.search(CODE.sub("", said))] == []


def test_nothing_is_translated_that_nobody_says(texts, unfit):
    said = [*(text.said for text in texts), *unfit, "p-0 failed in no line of the task's own, line 0: Restarts"]
    patterns = {english: ".+?".join(map(re.escape, PART.split(english)[::2])) for english in OURS}
    unsaid = [english for english in OURS if not any(re.search(patterns[english], text, re.DOTALL) for text in said)]
    assert not unsaid, "\n".join(unsaid)


@pytest.mark.parametrize("english", [*OURS, *TABLES["libraries"]])
def test_chinese_has_no_other_parts_than_english(english):
    own = (OURS | TABLES["libraries"])[english]
    assert set(PART.findall(own)) <= set(PART.findall(english))
    assert len(PART.sub("", english)) >= 12 or english in TABLES["libraries"]  # less is found in anybody's texts


@pytest.mark.parametrize("said", NASTY)
def test_parts_come_through_unchanged(said):
    """Each sentence is found by its own pattern, whatever stands in it."""
    for english, own in (OURS | TABLES["libraries"]).items():
        if "\n" in english and "\n" in said:
            continue  # names and places have one line
        assert chinese(PART.sub(lambda _: said, english)) == PART.sub(lambda _: said, own)


def test_sentences_in_sentences():
    since = "2026-11-26 23:52 UTC"
    waiting = f"node1 has not verified its data (invited since {since})"
    refused = f"医院 B was refused at {since}: scans/ is empty; ask Dr. {{Li}}, or me"
    away = f"p-0a1b2c3d has not been heard of since {since}"
    own = {
        waiting: f"node1 还没有验证数据（{since} 受到邀请）",
        refused: f"医院 B 的数据验证没有通过（{since}）：scans/ is empty; ask Dr. {{Li}}, or me",
        away: f"p-0a1b2c3d 自 {since} 起没有动静",
    }
    for text, translated in own.items():
        assert chinese(text) == translated
    assert chinese(f"{refused}; {waiting}") == f"{own[refused]}；{own[waiting]}"
    assert chinese(f"the task cannot start: {waiting}, {refused}, {waiting}") == (
        f"任务不能启动：{own[waiting]}，{own[refused]}，{own[waiting]}"
    )
    assert chinese(f"started by the initiator; {away}; {away}") == f"发起方已启动；{own[away]}；{own[away]}"
    assert chinese(
        "    7  2026-11-26 23:52:09  failed: p-0a1b2c3d failed in no line of the task's own, line 0: LimitExceeded"
    ) == ("    7  2026-11-26 23:52:09  任务失败：p-0a1b2c3d 出错，不在任务自己的代码里：LimitExceeded")
    assert chinese("the task's process ended 20 times in a row (killed by signal 9)") == (
        "任务的进程接连结束 20 次（被信号 9 终止）"
    )
    failed = (
        "node1 failed in round 2: scheduler.py, line 12, in train_an_epoch\n    loss.backward()\nValueError: a, b; c"
    )
    assert chinese(failed) == failed.replace(
        "node1 failed in round 2: scheduler.py, line 12, in", "node1 在第 2 个轮次出错：scheduler.py，第 12 行，"
    ).replace("行， ", "行，")
    assert chinese("no admitted node is called 医院 C, node9: name nodes that the hub lists") == (
        "没有名为 医院 C、node9 的获准节点：请从中枢列出的节点里选择"
    )


def test_a_task_in_chinese(tmp_path):
    """What a hub really says while a task is made, refused, joined, run and stopped."""
    with running(tmp_path / "hub") as hub:
        task = Task(hub)
        initiator, first = task.initiator, task.first

        def why() -> str:
            return initiator.get(task.path)["why"]

        said = [why(), initiator.refused(409, "POST", f"{task.path}/start")]
        task.give_code()
        task.verify(first, ok=False, reason="scan 7 is cut off; copy it again")
        said += [
            why(),
            initiator.refused(409, "POST", f"{task.path}/start"),
            first.refused(403, "POST", f"{task.path}/stop"),
        ]
        said.append(
            first.refused(
                409, "POST", f"{task.path}/messages", json=first.message(task.id, [task.pseudonym(initiator)])
            )
        )
        task.verify(first)
        said.append(why())
        task.start()
        said += [
            why(),
            initiator.refused(409, "POST", f"{task.path}/start"),
            initiator.refused(409, "DELETE", task.path),
        ]
        initiator.post(f"{task.path}/stop")
        said += [why(), initiator.refused(409, "POST", f"{task.path}/stop"), *timeline(task.records())]
    own = [chinese(text).replace("scan 7 is cut off; copy it again", "") for text in said]
    assert [text for text in own if ENGLISH.search(text) or not CHINESE.search(text)] == []
    assert "scan 7 is cut off; copy it again" in chinese(said[2])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "running",
        "labels.csv is missing",
        "ValueError: shapes (3,) and (4,) do not match",
        "the scanner was away, it is back; node2 is ready",
        "training failed, and nobody is back",
        "I sent it to you: look at it",
        "第 3 行缺少标签, 请检查; 谢谢",
        "{who} was {nobody}",
        "line one\n    line two  with  gaps\n\nlast",
    ],
)
def test_what_users_wrote_stays_as_they_wrote_it(text):
    assert chinese(text) == text


def test_what_strangers_send_takes_no_time():
    """A node's reason has up to 2,000 signs, and may be made to look like any of our sentences, many times over."""
    for english in OURS:
        words = "".join(PART.split(english)[::2])
        for text in ((words * 2000)[:2000], (words[1:] * 2000)[:1999] + "#"):
            start = time.process_time()
            chinese(text)
            assert time.process_time() - start < 1, text


KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
GOOD = {"name": "task", "nodes": ["node1"], "box_key": KEY}


def answered(coroutine):
    """Return what a coroutine returns; in a thread, because a browser of other tests has its own loop in this one."""
    with ThreadPoolExecutor() as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (forms.NewTask, {}),
        *((forms.NewTask, GOOD | wrong) for wrong in (
            {"name": ""}, {"name": "x" * 100}, {"name": "a\nb"}, {"name": 5}, {"nodes": []}, {"nodes": ["n"] * 101},
            {"nodes": "node1"}, {"settings": {"x": float("nan")}}, {"settings": [1]}, {"box_key": "x"}, {"more": 1},
            {"box_key": "QQ=="}, {"description": "x" * 5000}, {"name": "", "nodes": [], "more": 2},
        )),
        (forms.Verdict, {"ok": "perhaps", "reason": "x" * 3000, "sha256": "0"}),
        (forms.Report, {"attempt": -1, "round": 2.5, "progress": 200, "state": "tired"}),
    ],
)  # fmt: skip
def test_what_a_form_refuses(form, body):
    with pytest.raises(ValidationError) as refused:
        form.model_validate(body)
    said = json.loads(answered(app._invalid(None, refused.value)).body)["error"]
    own = chinese(said)
    assert CHINESE.search(own) and not ENGLISH.search(own)
