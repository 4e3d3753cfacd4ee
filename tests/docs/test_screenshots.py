"""The pictures of the playground's page are there in both languages, and show what the page shows."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from pages import LANGUAGES, ROOT, find_pages
from record_screenshots import FOLDER, RIGHT, WORDS, record

SHOWN = re.compile(r"!\[(?P<words>[^]]*)\]\([^)]*assets/playground/(?P<language>\w+)/(?P<name>[\w-]+)\.png\)")
LARGEST, LARGEST_OF_ALL = 120_000, 2_000_000  # bytes
ALIKE = 6  # mean difference of two pictures, of 255: fonts and browsers draw a little differently
STRETCH = 0.1  # by so much the heights may differ


def shown(language: str) -> dict[str, str]:
    """Return what the pages of a language say of each picture, by its name."""
    pages = [page for page in find_pages() if page.language == language]
    found = [(page, match) for page in pages for match in SHOWN.finditer(page.path.read_text("utf-8"))]
    for page, match in found:
        assert match["language"] == language, page
    return {match["name"]: match["words"] for _, match in found}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_picture_is_shown_and_every_one_that_is_shown_is_there(language):
    pictures = {path.stem for path in (FOLDER / language).glob("*.png")}
    assert pictures and set(shown(language)) == pictures
    assert set(json.loads((FOLDER / WORDS).read_text("utf-8"))[language]) == pictures


def test_both_languages_show_the_same_pictures():
    assert list(shown("zh")) == list(shown("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_does_not_see_a_picture_hears_what_it_shows(language):
    for name, words in shown(language).items():
        assert len(words) > 5, name
        assert bool(re.search("[\u4e00-\u9fff]", words)) == (language == "zh"), name


def test_pictures_are_light():
    sizes = {path.relative_to(FOLDER): path.stat().st_size for path in FOLDER.rglob("*.png")}
    assert not {path for path, size in sizes.items() if size > LARGEST}
    assert sum(sizes.values()) < LARGEST_OF_ALL


def are_alike(one: Path, other: Path) -> bool:
    """Return whether two pictures show the same, seen from some distance."""
    with Image.open(one) as first, Image.open(other) as second:
        if first.width != second.width or abs(first.height - second.height) > STRETCH * first.height:
            return False
        difference = ImageChops.difference(first.convert("L"), second.convert("L").resize(first.size))
        return ImageStat.Stat(difference).mean[0] < ALIKE


def test_another_screen_is_not_alike():
    for language in LANGUAGES:
        pictures = sorted((FOLDER / language).glob("*.png"))
        assert all(are_alike(picture, picture) for picture in pictures)
        assert [
            (one.stem, other.stem) for one in pictures for other in pictures if one < other and are_alike(one, other)
        ] == []


def words(lines: list[str]) -> list[str]:
    """Return what a picture says, but for metrics, which differ between processors."""
    return [re.sub(r"\d+\.\d+", "0.0", line) for line in lines]


@pytest.mark.soak
@pytest.mark.browser
def test_the_page_still_looks_and_reads_like_its_pictures(browser, tmp_path):
    """If it is right so: `make screenshots`."""
    record(browser, tmp_path)
    before, now = (json.loads((folder / WORDS).read_text("utf-8")) for folder in (FOLDER, tmp_path))
    for language in LANGUAGES:
        for name, lines in before[language].items():
            assert words(now[language][name]) == words(lines), name
    pictures = [path.relative_to(tmp_path) for path in tmp_path.rglob("*.png")]
    assert len(pictures) == sum(map(len, before.values()))
    assert [str(path) for path in pictures if not are_alike(FOLDER / path, tmp_path / path)] == []


def test_the_tool_knows_the_line_that_it_spoils():
    scheduler = ROOT / "src/alphamed_tutorials/examples/mnist/scheduler.py"
    assert scheduler.read_text("utf-8").count(RIGHT) == 1
