"""The glossary's terms are those of every page, and of what the playground's page, the command and the examples say."""

import json
import re
import tomllib
from collections.abc import Iterator

import pytest
from gate import AVOIDED, GLOSSARY, other_words

from glossary import read_avoided, read_terms
from pages import LANGUAGES, ROOT, find_pages

PLAYGROUND = ROOT / "src/alphamed_tutorials/playground/page"
TEXTS = [
    PLAYGROUND / "words.zh.toml",
    PLAYGROUND / "sentences.zh.toml",
    ROOT / "src/alphamed_tutorials/symptoms.toml",
    ROOT / "snippets/comments.zh.toml",
    ROOT / "docs/options.json",
    ROOT / "docs/options.zh.json",
    *sorted((ROOT / "src/alphamed_tutorials/examples").glob("*/example.toml")),
]


def strings(found: object) -> Iterator[str]:
    """Yield every text of a table, those that are its keys too."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for part in [*found, *(found.values() if isinstance(found, dict) else ())]:
            yield from strings(part)


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_texts_beside_the_pages_use_its_terms_too(file):
    text = file.read_text("utf-8")
    found = list(strings(json.loads(text) if file.suffix == ".json" else tomllib.loads(text)))
    assert len(found) > 10  # it still reads them
    faults = [
        f"{said}: {fault}"
        for said in found
        for fault in other_words(said, "zh" if re.search("[\u4e00-\u9fff]", said) else "en")
    ]
    assert not faults, "\n".join(faults)


def test_a_word_that_is_avoided_is_found_in_prose_and_not_in_code():
    assert list(other_words("各客户端训练", "zh")) == ["'客户端': write 数据方"]
    assert list(other_words("After Fine-Tuning it", "en")) == ["'fine-tuning': write Finetuning"]
    assert not list(other_words("`客户端` 和数据方", "zh"))
    assert len(list(other_words("框的分数", "zh"))) == 1 and not list(other_words("一部分数据的百分数", "zh"))


def test_no_term_is_avoided():
    for language in LANGUAGES:
        page = (ROOT / "docs" / language / GLOSSARY).read_text("utf-8")
        terms, avoided = read_terms(page), read_avoided(page)
        assert avoided.items() <= AVOIDED[language].items() and len(avoided) >= 5
        assert not [(word, term) for word in avoided for term in terms if word.lower() in term]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_is_used_on_some_page(language):
    """A term that no page uses has no tip to show."""
    home = ROOT / "docs" / language
    pages = [page for page in find_pages() if page.language == language and page.path != home / GLOSSARY]
    said = "\n".join(line.text for page in pages for line in page.prose()).lower()
    anchors: dict[str, bool] = {}
    for term, (anchor, _) in read_terms((home / GLOSSARY).read_text("utf-8")).items():
        anchors[anchor] = anchors.get(anchor, False) or term in said
    assert [anchor for anchor, is_used in anchors.items() if not is_used] == []


def test_both_languages_have_the_same_terms():
    chinese, english = (
        [anchor for anchor, _ in read_terms((ROOT / "docs" / language / GLOSSARY).read_text("utf-8")).values()]
        for language in LANGUAGES
    )
    assert list(dict.fromkeys(chinese)) == list(dict.fromkeys(english))
