"""The page of symptoms, as it is drawn, keeps the rules of pages; other pages link to what is there."""

import re

import gate
import pytest
from mkdocs.exceptions import PluginError

from pages import LANGUAGES, ROOT, Page, find_pages
from symptoms import read, replace

LINK = re.compile(r"symptoms\.(?:md|html)#([\w-]+)")


def drawn(language: str) -> str:
    text = (ROOT / "docs" / language / "symptoms.md").read_text("utf-8")
    return replace(text, "symptoms.md", read(ROOT), language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_drawn_page_keeps_the_rules(language, tmp_path):
    path = tmp_path / "docs" / language / "symptoms.md"
    path.parent.mkdir(parents=True)
    path.write_text(drawn(language), "utf-8")
    page = Page(path, tmp_path)
    faults = [f"{rule.__name__}: {fault}" for rule in gate.PAGE_RULES for fault in rule(page)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_symptom_is_drawn_once_with_all_that_is_said_of_it(language):
    text = drawn(language)
    for name, symptom in read(ROOT).items():
        assert text.count(f"{{ #{name} }}") == 1
        section = text.partition(f"{{ #{name} }}")[2].partition("\n### ")[0]
        said = [f"`{each.strip()}`" if "`" not in each else f"`` {each.strip()} ``" for each in symptom["texts"]]
        assert all(each in section for each in [*said, symptom[language]["cause"], symptom[language]["cure"]]), name
        assert all(url in section for url in symptom.get("threads", []))


@pytest.mark.parametrize("language", LANGUAGES)
def test_guides_link_to_symptoms_and_tell_none_again(language):
    pages = [page for page in find_pages() if page.language == language and page.path.name != "symptoms.md"]
    linked = {name for page in pages for line in page.prose() for name in LINK.findall(line.text)}
    assert len(linked) >= 35
    again = [
        f"{page}: {symptom[language]['cause']}"
        for page in pages
        for symptom in read(ROOT).values()
        if any(symptom[language]["cause"] in line.text for line in page.prose())
    ]
    assert not again, "\n".join(again)


def test_an_unknown_group_stops_the_build():
    with pytest.raises(PluginError, match=r"zh/page.md: .* has no group nothing"):
        replace("{{ symptoms: nothing }}", "zh/page.md", read(ROOT), "zh")
    assert replace("Words {{ symptoms: in the middle }}", "zh/page.md", {}, "zh").startswith("Words {{")
