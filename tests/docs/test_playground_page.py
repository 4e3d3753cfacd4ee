"""What the page about the playground says in figures and tables is what the code says."""

import re

import pytest

from alphamed_tutorials.playground import signing
from alphamed_tutorials.playground.agent import courier, place, runner
from alphamed_tutorials.playground.hub import state
from pages import LANGUAGES, ROOT

NAME = "playground/how-it-works.md"
TEXTS = {language: (ROOT / "docs" / language / NAME).read_text("utf-8") for language in LANGUAGES}
LIMITS = place.Limits()
# What the Chinese and the English page say, in their order.
FACTS = [
    (f"每 {courier.LOOK} 秒", f"every {courier.LOOK} seconds"),
    (f"数据验证 {LIMITS.verify_seconds} 秒", f"verification {LIMITS.verify_seconds} seconds"),
    (f"最多 {LIMITS.processes} 个", f"({LIMITS.processes} beside the first)"),
    (f"看守（{LIMITS.memory >> 30} GiB）", f"for all together ({LIMITS.memory >> 30} GiB)"),
    (f"看守（{LIMITS.disk >> 30} GiB）", f"for its folder ({LIMITS.disk >> 30} GiB)"),
    (f"最多 {runner.MOST_RESTARTS} 次", f"{runner.MOST_RESTARTS} times in a row"),
    (f"{state.Limits().away} 秒后", f"After {state.Limits().away} seconds"),
]


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_those_of_the_code(language):
    assert {facts[language == "en"] for facts in FACTS if facts[language == "en"] not in TEXTS[language]} == set()
    assert signing.MAX_AGE.total_seconds() == 300, "five minutes"
    assert LIMITS.seconds == 0, "for ever"


def section(language: str, anchor: str) -> str:
    """Return a section of the page."""
    return TEXTS[language].partition(f"{{ #{anchor} }}")[2].partition("\n## ")[0]


def first_column(text: str) -> list[str]:
    """Return the code in the first column of a text's tables."""
    return [code for row in re.findall(r"^ *\| (.*?) \|", text, re.MULTILINE) for code in re.findall("`(.+?)`", row)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_states_are_those_of_the_hub(language):
    source = (ROOT / "src/alphamed_tutorials/playground/hub/tasks.py").read_text("utf-8")
    of_tasks = {"draft", *re.findall(r'set_state\("(\w+)"', source)} - {"deleted"}
    of_members = {"invited", "refused", "verified", "joined"}
    assert {name for name in of_members if f'"{name}"' not in source} == set()
    assert set(first_column(section(language, "states"))) == of_tasks | of_members
