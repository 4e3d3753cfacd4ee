"""Expand `folder/*` in the navigation to the pages there that it does not name: a new guide is a file, not a setting."""

from pathlib import Path


def expand(nav: list, pages: list[str]) -> list:
    """Return `nav` with each `folder/*` replaced by the folder's other pages, in order of their names."""
    named = set(_paths(nav))
    items = []
    for item in nav:
        if isinstance(item, dict):
            items.append(
                {title: expand(below, pages) if isinstance(below, list) else below for title, below in item.items()}
            )
        elif item.endswith("/*"):
            items += [page for page in sorted(pages) if page.startswith(item[:-1]) and page not in named]
        else:
            items.append(item)
    return items


def _paths(nav: list) -> list[str]:
    below = [value for item in nav if isinstance(item, dict) for value in item.values()]
    nested = [path for value in below for path in (_paths(value) if isinstance(value, list) else [value])]
    return nested + [item for item in nav if isinstance(item, str)]


def on_config(config):
    docs = Path(config.docs_dir)
    pages = [path for suffix in ("md", "ipynb") for path in docs.rglob(f"*.{suffix}")]
    config.nav = expand(config.nav, [path.relative_to(docs).as_posix() for path in pages])
