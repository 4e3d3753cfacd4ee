"""A page says at its top that the other language's is newer, and only then."""

import pytest
from bs4 import BeautifulSoup
from mkdocs.commands.build import build
from mkdocs.config import load_config

from pages import LANGUAGES, ROOT
from record_translations import names_of, record
from translations import FILE, compared, newer

CONFIGURATION = {"zh": "mkdocs.yml", "en": "mkdocs.en.yml"}


@pytest.fixture
def project(tmp_path):
    """Return a folder with two pages in both languages, which were compared."""
    for language in LANGUAGES:
        for name in ("index", "guides/a"):
            file = tmp_path / "docs" / language / f"{name}.md"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"# {name}\n", "utf-8")
    assert record(tmp_path, []) == ["guides/a", "index"]
    return tmp_path


def change(project, *languages, name="guides/a"):
    for language in languages:
        with open(project / f"docs/{language}/{name}.md", "a", encoding="utf-8") as file:
            file.write("\nMore.\n")


def test_the_language_that_changed_is_newer_until_the_page_is_named(project):
    assert newer(project, "guides/a") == set()
    change(project, "en")
    assert newer(project, "guides/a") == {"en"} and newer(project, "index") == set()
    assert record(project, []) == [], "nobody has said that Chinese needs no change"
    assert newer(project, "guides/a") == {"en"}
    assert record(project, ["guides/a"]) == ["guides/a"]
    assert newer(project, "guides/a") == set()


def test_pages_that_changed_in_both_languages_and_new_ones_need_no_name(project):
    change(project, *LANGUAGES)
    for language in LANGUAGES:
        (project / f"docs/{language}/b.md").write_text("# B\n", "utf-8")
    assert newer(project, "guides/a") == set(LANGUAGES) and newer(project, "b") == set()
    assert record(project, []) == ["b", "guides/a"]
    assert newer(project, "guides/a") == set() and list(compared(project)) == ["b", "guides/a", "index"]


def test_pages_that_are_gone_leave_the_table(project):
    (project / "docs/en/guides/a.md").unlink()
    record(project, [])
    assert list(compared(project)) == ["index"]


def test_a_page_that_is_not_there_is_refused(project):
    before = (project / FILE).read_bytes()
    with pytest.raises(SystemExit, match="no page mnist in docs/zh and docs/en: name it as guides/mnist"):
        record(project, ["mnist"])
    assert (project / FILE).read_bytes() == before


def test_no_page_of_ours_is_in_the_table_that_is_not_there():
    assert set(compared(ROOT)) <= set(names_of(ROOT))


@pytest.mark.parametrize("changed", [(), ("zh",), ("en",), LANGUAGES], ids=str)
def test_the_note_is_on_the_older_page_alone(project, changed):
    change(project, *changed)
    notes = {}
    for language, configuration in CONFIGURATION.items():
        only = {"docs_dir": str(project / "docs" / language), "nav": None, "plugins": []}
        only["hooks"] = ["hooks/languages.py", "hooks/footer.py", "hooks/translations.py"]
        config = load_config(str(ROOT / configuration), site_dir=str(project / "site" / language), **only)
        config.config_file_path = str(project / configuration)  # the project whose table counts
        build(config)
        for name in ("index", "guides/a"):
            html = BeautifulSoup((project / "site" / language / f"{name}.html").read_text("utf-8"), "html.parser")
            notes[language, name] = html.select("article > .site-newer")
    older = {(language, "guides/a") for language in LANGUAGES if len(changed) == 1 and language not in changed}
    assert {place for place, note in notes.items() if note} == older
    for language, name in older:
        other = {"zh": "en", "en": "zh"}[language]
        link = notes[language, name][0].a
        assert (
            link["lang"] == other
            and link["href"] == {"zh": "../en/guides/a.html", "en": "../../guides/a.html"}[language]
        )
