"""Expand `folder/*` in the navigation to the pages there: a new guide is a file, not a setting."""

from pathlib import Path, PurePosixPath

from catalogue import read_examples


def expand(nav: list, pages: list[str], names: list[str]) -> list:
    """Return `nav` with each `folder/*` replaced by the folder's pages that it does not name.

    Args:
        nav: The navigation as in `mkdocs.yml`.
        pages: Every page of the language.
        names: The examples in reading order; pages called otherwise follow by name.
    """
    named = set(_paths(nav))

    def place(page: str) -> tuple[int, str]:
        name = PurePosixPath(page).stem
        return (names.index(name) if name in names else len(names)), page

    items = []
    for item in nav:
        if isinstance(item, dict):
            items.append(
                {
                    title: expand(below, pages, names) if isinstance(below, list) else below
                    for title, below in item.items()
                }
            )
        elif item.endswith("/*"):
            items += sorted((page for page in pages if page.startswith(item[:-1]) and page not in named), key=place)
        else:
            items.append(item)
    return items


def _paths(nav: list) -> list[str]:
    below = [value for item in nav if isinstance(item, dict) for value in item.values()]
    nested = [path for value in below for path in (_paths(value) if isinstance(value, list) else [value])]
    return nested + [item for item in nav if isinstance(item, str)]


def on_config(config):
    docs = Path(config.docs_dir)
    pages = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    notebooks = [f"notebooks/{path.stem}.ipynb" for path in docs.glob("guides/*.md")]  # made while the site is built
    names = [example.name for example in read_examples(Path(config.config_file_path).parent)]
    config.nav = expand(config.nav, [*pages, *notebooks], names)
