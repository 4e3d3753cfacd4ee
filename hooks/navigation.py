"""Expand `folder/*` in the navigation to the pages there: a new guide is a file, not a setting."""

from pathlib import Path

from catalogue import example_of, read_examples
from pages import NOTEBOOKS


def expand(nav: list, pages: list[str], titles: dict[str, str]) -> list:
    """Return `nav` with each `folder/*` replaced by the folder's pages that it does not name.

    Args:
        nav: The navigation as in `mkdocs.yml`.
        pages: Every page of the language.
        titles: The title of each example, by its name, in reading order.
    """
    named, items = set(_paths(nav)), []
    for item in nav:
        if isinstance(item, dict):
            items.append(
                {
                    title: expand(below, pages, titles) if isinstance(below, list) else below
                    for title, below in item.items()
                }
            )
        elif item.endswith("/*"):
            items += _by_example([page for page in pages if page.startswith(item[:-1]) and page not in named], titles)
        else:
            items.append(item)
    return items


def _by_example(pages: list[str], titles: dict[str, str]) -> list:
    """Return the pages in the examples' order: two of one example under its title, those of no example last."""
    found: dict[str, list[str]] = {name: [] for name in titles}
    for page in sorted(pages):  # `mnist-program.md` comes before `mnist.md`
        found.setdefault(example_of(page), []).append(page)
    items: list = []
    for name, its_pages in found.items():
        items += [{titles[name]: its_pages}] if name in titles and len(its_pages) > 1 else its_pages
    return items


def _paths(nav: list) -> list[str]:
    below = [value for item in nav if isinstance(item, dict) for value in item.values()]
    nested = [path for value in below for path in (_paths(value) if isinstance(value, list) else [value])]
    return nested + [item for item in nav if isinstance(item, str)]


def on_config(config):
    docs = Path(config.docs_dir)
    pages = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    notebooks = [f"{NOTEBOOKS}{path.stem}.md" for path in docs.glob("guides/*.md")]  # made while the site is built
    examples = read_examples(Path(config.config_file_path).parent)
    titles = {example.name: example.title[config.theme["language"]] for example in examples}
    config.nav = expand(config.nav, [*pages, *notebooks], titles)
