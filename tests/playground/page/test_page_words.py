"""The page's texts in both languages, its colours, and that nothing of it comes from elsewhere."""

import re
import string
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from alphamed_tutorials.arguments import arguments
from alphamed_tutorials.catalogue import find_all
from alphamed_tutorials.playground.page import words
from alphamed_tutorials.playground.page.steps import DOING, STATES, STEPS
from alphamed_tutorials.playground.submission import ELSEWHERE

ROOT = Path(__file__).parents[3]
PAGE = Path(words.__file__).parent
TEMPLATES = sorted((PAGE / "templates").glob("*.html"))
STATIC = [file for file in (PAGE / "static").iterdir() if file.is_file()]
OF_A_MEMBER = ("invited", "verified", "refused", "joined")
CHINESE = words._chinese()
# What is said of a term in Chinese beside the glossary's own word.
ALSO = {
    "round": ["轮"],
    "state dict": ["state_dict"],
    "agent": ["代理"],
    "federated learning": ["联邦"],
    "invitation": ["邀请"],
}
ROLES = {  # of colours: in the page's style sheet, and in the site's
    "--strong": "--site-strong",
    "--link": "--md-typeset-a-color",
    "--accent": "--md-accent-fg-color",
    "--soft": "--site-soft",
    "--line": "--site-line",
    "--header": "--md-primary-fg-color",
}


def said(template: Path) -> list[tuple[str, set[str]]]:
    """Return the texts that a template says, each with the names of its parts."""
    tree = jinja2.Environment().parse(template.read_text("utf-8"))
    calls = [call for call in tree.find_all(nodes.Call) if isinstance(call.node, nodes.Name) and call.node.name == "_"]
    return [
        (call.args[0].value, {part.key for part in call.kwargs})
        for call in calls
        if isinstance(call.args[0], nodes.Const)
    ]


def parts(text: str) -> set[str]:
    """Return the names in braces of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def glossary() -> dict[str, str]:
    """Return the glossary's Chinese words by the English ones."""
    text = (ROOT / "docs" / "zh" / "reference" / "glossary.md").read_text("utf-8")
    found = {english: chinese for chinese, english in re.findall(r"^### (.+?)（(.+?)）", text, re.MULTILINE)}
    assert found["aggregator"] == "聚合方"
    return found


def test_every_text_has_its_chinese_and_none_is_left_over():
    texts = {text for template in TEMPLATES for text, _ in said(template)}
    assert len(texts) > 100
    texts |= {*STEPS.values(), *DOING.values(), *STATES.values(), *STATES, *OF_A_MEMBER}
    assert texts - CHINESE.keys() == set(), "without Chinese"
    assert CHINESE.keys() - texts == set(), "nobody says it any more"


def test_what_an_examples_settings_mean_is_said_in_chinese_and_what_ones_own_mean_as_it_stands():
    schedulers = [example.scheduler_class for example in find_all()]
    meanings = {each.meaning for scheduler in schedulers for each in arguments(scheduler).values() if each.name not in ELSEWHERE}  # fmt: skip
    assert len(schedulers) == 6 and len(meanings) > 20 and "" not in meanings
    assert words._meanings().keys() == meanings, "without Chinese, or nobody says it any more"
    for meaning in meanings:
        assert words.Words("en").meaning(meaning) == meaning
        assert re.search("[一-鿿]|^`", words.Words("zh").meaning(meaning))
    assert words.Words("zh").meaning("The size of a scan.") == "The size of a scan."


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_every_box_that_waits_says_since_when(template):
    boxes = re.findall(r'class="waiting".*', template.read_text("utf-8"))
    assert len(boxes) == (6 if template.name == "step.html" else 0)
    assert all("_.clock(" in box for box in boxes)


def test_both_languages_fill_in_the_same_parts():
    for template in TEMPLATES:
        for text, given in said(template):
            assert parts(text) == given, (template.name, text)
    for english, chinese in CHINESE.items():
        assert parts(english) == parts(chinese), english


def test_chinese_is_chinese():
    for english, chinese in CHINESE.items():
        assert re.search("[一-鿿]", chinese), chinese
        if len(english) > 40:
            assert not re.search("[,.;:?!]( |$)", chinese), f"punctuation of another script: {chinese}"


@pytest.mark.parametrize("term", glossary())
def test_terms_are_the_glossarys(term):
    known = glossary()
    for english, chinese in CHINESE.items():
        if re.search(rf"\b{term}s?\b", english, re.IGNORECASE):
            assert any(word in chinese for word in [known[term], *ALSO.get(term, [])]), f"{english}: {chinese}"


def colours(css: str, selector: str) -> dict[str, str]:
    """Return the custom properties of the first rule with a selector."""
    block = re.search(re.escape(selector) + r"\s*{([^}]*)}", css)
    assert block, selector
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", block[1]))


def test_colours_are_those_of_the_site():
    page = (PAGE / "static" / "page.css").read_text("utf-8")
    site = (ROOT / "docs" / "assets" / "site.css").read_text("utf-8")
    light, dark = page.split("@media (prefers-color-scheme: dark)", 1)
    both = colours(site, '[data-md-color-primary="custom"]')
    for css, scheme in ((light, "default"), (dark, "slate")):
        own, theirs = colours(css, ":root"), both | colours(site, f'[data-md-color-scheme="{scheme}"]')
        assert {name: own[name] for name in ROLES} == {name: theirs[other] for name, other in ROLES.items()}, scheme


def test_dark_changes_every_colour():
    light, dark = (PAGE / "static" / "page.css").read_text("utf-8").split("@media (prefers-color-scheme: dark)", 1)
    assert colours(light, ":root").keys() == colours(dark, ":root").keys()


@pytest.mark.parametrize("file", [*TEMPLATES, *STATIC], ids=lambda file: file.name)
def test_nothing_comes_from_another_host(file):
    text = file.read_text("utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"""[a-z]+://|["'(]//\w|@import""", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_scripts_and_styles_stand_in_files_of_their_own(template):
    text = template.read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|hx-on|hx-vals=.js|\|\s*safe", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert re.findall(r"<script[^>]*>([^<]+)</script>", text) == []
