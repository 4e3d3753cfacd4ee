"""The foot of a page: when it last changed, with what its code last ran, where it can be edited, where mistakes are told, the licence."""

import json
import os
import subprocess

import pytest
from browsing import opened
from bs4 import BeautifulSoup
from mkdocs.commands.build import build
from mkdocs.config import load_config

import footer
from pages import LANGUAGES, ROOT


def git(folder, *arguments, day="2026-01-01"):
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{who}_DATE": f"{day}T12:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, env={**os.environ, **names, **dates})


@pytest.fixture
def history(tmp_path):
    """Return a project of two pages with three commits; one page changed in the second."""
    project = tmp_path / "项目"
    (project / "docs" / "zh").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(project))
    for day, changed in {"2026-01-01": ("a", "乙"), "2026-02-02": ("a",), "2026-03-03": ()}.items():
        for name in changed:
            (project / "docs" / "zh" / f"{name}.md").write_text(day, "utf-8")
        (project / "other").write_text(day, "utf-8")
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", day, day=day)
    return project


def test_a_page_s_day_is_that_of_the_last_commit_that_changed_it(history):
    assert footer.last_changes(history, "docs/zh") == {"docs/zh/a.md": "2026-02-02", "docs/zh/乙.md": "2026-01-01"}


def test_a_project_below_the_repository_s_root_has_days_too(history):
    (history / "below" / "docs" / "zh").mkdir(parents=True)
    (history / "below" / "docs" / "zh" / "c.md").touch()
    git(history, "add", "-A")
    git(history, "commit", "-q", "-m", "c", day="2026-04-04")
    assert footer.last_changes(history / "below", "docs/zh") == {"docs/zh/c.md": "2026-04-04"}


def test_without_the_whole_history_there_is_no_day(history, tmp_path, monkeypatch):
    git(tmp_path, "clone", "-q", "--depth", "1", history.as_uri(), "shallow")
    assert footer.last_changes(tmp_path / "shallow", "docs/zh") == {}
    assert footer.last_changes(tmp_path, "docs/zh") == {}, "no repository"
    monkeypatch.setenv("PATH", "")
    assert footer.last_changes(history, "docs/zh") == {}, "no git"


@pytest.mark.parametrize(
    "repository", ["https://example.org/a/b", "https://example.org/a/b.git", "http://example.org/a/b/"]
)
def test_links_come_from_the_repository_s_address(repository):
    web = repository.removesuffix(".git").removesuffix("/")
    assert footer.links(repository, "docs/zh/a.md") == {
        "edit": f"{web}/edit/main/docs/zh/a.md", "feedback": f"{web}/issues", "licence": f"{web}/blob/main/LICENSE",
    }  # fmt: skip


@pytest.mark.parametrize("repository", [None, "", "git@example.org:a/b.git", "ssh://example.org/a", "/srv/a.git"])
def test_without_an_address_for_a_browser_there_are_no_links(repository):
    assert footer.links(repository, "docs/zh/a.md") == {}


def test_a_notebook_is_edited_in_its_guide():
    assert footer.source_of("notebooks/mnist.md", "en") == "docs/en/guides/mnist.md"
    assert footer.source_of("guides/mnist.md", "zh") == "docs/zh/guides/mnist.md"


def test_the_code_of_a_page_and_of_its_notebook_last_ran_when_its_outputs_were_recorded(tmp_path):
    facts = {"date": "2026-03-03", "versions": {"python": "3.11.7", "torch": "2.12.1"}}
    recording = tmp_path / "docs/results/outputs/guides/mnist.json"
    recording.parent.mkdir(parents=True)
    recording.write_text(json.dumps({"recorded": facts, "blocks": {}}), "utf-8")
    for source in (
        "docs/zh/guides/mnist.md",
        "docs/en/guides/mnist.md",
        footer.source_of("notebooks/mnist.ipynb", "zh"),
    ):
        assert footer.last_run(tmp_path, source) == facts
    assert footer.last_run(tmp_path, "docs/zh/index.md") == {}, "a page without code"


@pytest.mark.parametrize("repository", ["", "https://example.org/a/b.git"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_foot_of_a_page(tmp_path, monkeypatch, language, repository):
    monkeypatch.setenv("REPOSITORY_URL", repository)
    monkeypatch.setattr(footer, "last_changes", lambda *_: {f"docs/{language}/a.md": "2026-02-02"})
    facts = {"date": "2026-03-03", "versions": {"python": "3.11.7", "torch": "2.12.1"}}
    monkeypatch.setattr(footer, "last_run", lambda root, source: facts if source.endswith("/a.md") else {})
    (tmp_path / "docs").mkdir()
    for name in ("index", "a"):
        (tmp_path / "docs" / f"{name}.md").write_text("# Title\n", "utf-8")
    only = {"docs_dir": str(tmp_path / "docs"), "nav": ["index.md", "a.md"], "plugins": []}
    only["hooks"] = ["hooks/languages.py", "hooks/footer.py"]
    name = {"zh": "mkdocs.yml", "en": "mkdocs.en.yml"}[language]
    config = load_config(str(ROOT / name), site_dir=str(tmp_path / "site"), **only)
    config.hooks["hooks/footer.py"].last_changes = footer.last_changes
    config.hooks["hooks/footer.py"].last_run = footer.last_run
    build(config)
    feet = {}
    for page in ("index", "a", "404"):
        text = (tmp_path / "site" / f"{page}.html").read_text("utf-8")
        feet[page] = BeautifulSoup(text, "html.parser").select_one(".site-foot")
        assert "Apache-2.0" in feet[page].text
    assert [time["datetime"] for time in feet["a"]("time")] == ["2026-02-02", "2026-03-03"]
    assert "Python 3.11.7" in feet["a"].text and "torch 2.12.1" in feet["a"].text
    assert not feet["index"].time and not feet["404"].time
    links = [link["href"] for link in feet["a"]("a") if "example.org" in link["href"]]
    web = "https://example.org/a/b"
    expected = [f"{web}/edit/main/docs/{language}/a.md", f"{web}/issues", f"{web}/blob/main/LICENSE"]
    assert links == (expected if repository else [])
    assert not feet["404"].select("[rel=edit]")


@pytest.mark.browser
@pytest.mark.parametrize(("there", "back"), [("", "en/"), ("en/", "")])
def test_the_language_switch_stays_where_one_has_scrolled_to(browser, address, there, back):
    with opened(browser, address) as page:
        page.goto(f"{address}{there}guides/mnist.html")
        page.locator("#federated").scroll_into_view_if_needed()
        page.locator("#federated").evaluate("heading => heading.scrollIntoView()")
        # The theme begins to look a moment after the page is there, and looks when the page rests.
        page.wait_for_function("() => { scrollBy(0, 1); return location.hash == '#federated'; }", polling=700)
        page.click(".site-language")
        page.wait_for_url(f"{address}{back}guides/mnist.html#federated")
        page.wait_for_function("Math.abs(document.getElementById('federated').getBoundingClientRect().top) < 150")
