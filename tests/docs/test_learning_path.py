"""The learning path links every point on the page about each example's program."""

import re

import pytest

from pages import HEADING, LANGUAGES, ROOT, Page

GUIDES = ["mnist", "transfer_learning", "speech_commands", "language_modeling", "object_detection", "breast_cancer"]
LINK = re.compile(r"\[(?P<words>[^]]+)\]\((?P<page>[\w/-]+\.md)#(?P<anchor>[\w-]+)\)")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("guide", GUIDES)
def test_every_point_of_every_guide_is_linked(guide, language):
    page = Page(ROOT / "docs" / language / "learning-path.md")
    rows = [line.text.strip("| ").split(" | ") for line in page.lines if re.match(r"\| \d\. ", line.text)]
    assert [row[0][0] for row in rows] == list("12345") and {len(row) for row in rows} == {1 + len(GUIDES)}
    program = f"guides/{guide}-program.md"
    text = (ROOT / "docs" / language / program).read_text("utf-8")
    anchors = {heading["anchor"] for heading in map(HEADING.fullmatch, text.split("\n")) if heading}
    for row in rows:
        links = list(LINK.finditer(row[1 + GUIDES.index(guide)]))
        assert links, f"{row[0]} has no link into {program}"
        assert {link["page"] for link in links} == {program}
        assert {link["anchor"] for link in links} <= anchors


def test_the_guides_stand_in_reading_order():
    from catalogue import read_examples

    assert [example.name for example in read_examples(ROOT)] == GUIDES
