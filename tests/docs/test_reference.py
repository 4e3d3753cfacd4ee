"""The reference tables say all that the code has, in both languages: options, questions of `check`, keys of `example.toml`."""

import json
import re

import names
import pytest
from gate import headings
from pydantic import BaseModel

from alphamed_tutorials.experiments.check.questions import QUESTIONS
from alphamed_tutorials.facts import Facts
from options import PLACEHOLDER
from pages import HEADING, LANGUAGES, ROOT, Page
from record_options import EVERYWHERE, FILE, read_options

COMMANDS = sorted(names.command_options().keys() - {""})
REQUIRED = {"zh": "必填", "en": "required"}


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def read(language: str, name: str) -> Page:
    return Page(ROOT / "docs" / language / f"{name}.md")


def rows(page: Page, anchor: str) -> list[list[str]]:
    """Return the cells of the tables in one section, without the heads."""
    found, is_inside = [], False
    for line in page.prose():
        if heading := HEADING.fullmatch(line.text):
            is_inside = heading["anchor"] == anchor
        elif is_inside and line.text.startswith("|---"):
            found.pop()  # the head
        elif is_inside and line.text.startswith("|"):
            found.append([cell.strip() for cell in line.text.strip().strip("|").split(" | ")])
    return found


def anchor(command: str) -> str:
    return command.replace(" ", "-")


def test_every_command_has_a_section(language):
    anchors = {heading["anchor"] for heading in headings(read(language, "reference/cli"))}
    assert set(map(anchor, COMMANDS)) <= anchors


def test_the_recorded_options_are_those_of_the_command():
    """After a change: `PYTHONPATH=hooks python tools/record_options.py`."""
    assert json.loads(FILE.read_text("utf-8")) == read_options()


def test_no_option_is_left_out():
    found = {
        command: {option["name"].split(" ")[0] for option in options} for command, options in read_options().items()
    }
    for command, options in found.items():
        assert options == {name for name in names.command_options()[command] if name.startswith("--")} - EVERYWHERE


def test_every_option_says_what_it_takes():
    assert not [option for options in read_options().values() for option in options if "None" in option["name"]]


def test_every_text_about_an_option_has_its_chinese():
    chinese = json.loads(FILE.with_suffix(".zh.json").read_text("utf-8"))
    options = [option for command in read_options().values() for option in command]
    helps = {option["help"] for option in options}
    defaults = {option.get("default", "") for option in options}
    words = {text for text in defaults if " " in text or "'" in text}
    assert helps | words <= chinese.keys() <= helps | defaults
    assert all(re.search("[\u4e00-\u9fff]", text) for text in chinese.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_every_command_are_drawn_once(command, language):
    section, drawn = "", []
    for line in read(language, "reference/cli").prose():
        if heading := HEADING.fullmatch(line.text):
            section = heading["anchor"]
        elif placeholder := PLACEHOLDER.fullmatch(line.text):
            drawn.append((section, placeholder[1]))
    assert drawn.count((anchor(command), command)) == bool(read_options()[command])
    assert all(section == anchor(name) for section, name in drawn)


def plain(cell: str) -> str:
    return cell.replace("`", "")


def test_the_questions_of_check_are_those_that_are_asked():
    found = [tuple(map(plain, cells)) for cells in rows(read("en", "reference/cli"), "check") if len(cells) == 3]
    assert found == [(each.id, each.text, each.mend) for each in QUESTIONS]


def test_the_chinese_questions_name_the_same_code():
    english, chinese = (
        [cells for cells in rows(read(language, "reference/cli"), "check") if len(cells) == 3]
        for language in ("en", "zh")
    )
    assert [cells[0] for cells in chinese] == [cells[0] for cells in english]
    for one, other in zip(english, chinese):
        assert sorted(re.findall("`[^`]+`", other[2])) == sorted(re.findall("`[^`]+`", one[2])), one[0]


def keys(model: type[BaseModel], above: str = "") -> dict[str, bool]:
    """Return the keys of a table of `example.toml`, and whether each must be given."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = [kind for kind in _kinds(field.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        found |= keys(kinds[0], f"{above}{name}.") if kinds else {f"{above}{name}": field.is_required()}
    return found


def _kinds(annotation) -> list:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(kind for each in inner for kind in _kinds(each))]


def test_every_key_of_example_toml_is_documented(language):
    table = rows(read(language, "reference/task"), "example-toml")
    documented = [(key, cells[1] == REQUIRED[language]) for cells in table for key in re.findall("`([^`]+)`", cells[0])]
    assert dict(documented) == keys(Facts) and len(documented) == len(keys(Facts))
