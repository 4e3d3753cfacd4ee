"""An example is a folder and its pages: files alone bring it into navigation, cards and API page."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages import ROOT

SOURCES = ("docs", "hooks", "snippets", "src")
KEPT = "mnist"  # the other examples are left out, for a quick build
PAGES = ("{}-program", "{}")  # of an example called so


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """Return the built Chinese pages of a project with a copy of an example under another name."""
    project = tmp_path_factory.mktemp("project")
    for name in SOURCES:
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__", "en", "*.egg-info"))
    for config in ROOT.glob("mkdocs*.yml"):
        shutil.copy(config, project)
    examples, guides = project / "src/alphamed_tutorials/examples", project / "docs/zh/guides"
    for folder in [folder for folder in examples.iterdir() if folder.is_dir() and folder.name != KEPT]:
        shutil.rmtree(folder)
        for page in guides.glob(f"{folder.name}*.md"):
            page.unlink()
    shutil.copytree(examples / KEPT, examples / "newcomer")
    facts = examples / "newcomer" / "example.toml"
    facts.write_text(re.sub(r"(?m)^order = \d+$", "order = 0", facts.read_text("utf-8")), "utf-8")
    for page in PAGES:
        shutil.copy(guides / f"{page.format(KEPT)}.md", guides / f"{page.format('newcomer')}.md")
    # Not --strict: links to the examples left out lead nowhere.
    command = [sys.executable, "-m", "mkdocs", "build", "--config-file", str(project / "mkdocs.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return project / "site"


def links(page: Path) -> list[str]:
    return re.findall(r'href="([^"#]+)"', page.read_text("utf-8"))


def test_it_is_in_the_navigation_in_its_order(pages):
    found = [link for link in links(pages / "quickstart.html") if link.startswith(("guides/", "notebooks/"))]
    for folder in ("guides", "notebooks"):
        places = [link for link in dict.fromkeys(found) if link.startswith(folder)]
        assert places[:4] == [f"{folder}/{page.format(name)}.html" for name in ("newcomer", KEPT) for page in PAGES]


def test_it_has_a_card_with_links_to_its_pages(pages):
    text = (pages / "index.html").read_text("utf-8")
    cards = text[text.index('class="grid cards examples"') :]
    linked = re.findall(r'href="guides/([\w-]+)\.html">', cards[: cards.index("</ul>")])
    assert linked == [page.format(name) for name in ("newcomer", KEPT) for page in PAGES]


def test_its_classes_are_on_the_api_page(pages):
    text = (pages / "reference/api.html").read_text("utf-8")
    assert 'id="newcomer"' in text and 'id="alphamed_tutorials.examples.newcomer.scheduler.MNISTScheduler"' in text
    assert text.index('id="newcomer"') < text.index(f'id="{KEPT}"')
