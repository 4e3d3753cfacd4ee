"""Let `guides/mnist/` lead to `guides/mnist.html`, with the section that was asked for.

Addresses that end in a slash are what readers type and what other sites made with MkDocs have. The pages themselves
keep their names, because a browser that opens a folder of a copy on disk shows no page.
"""

from pathlib import Path

from mkdocs.utils import write_file

PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="robots" content="noindex">
<title>{target}</title>
<link rel="canonical" href="{target}">
<script>location.replace("{target}" + location.search + location.hash)</script>
<noscript><meta http-equiv="refresh" content="0; url={target}"></noscript>
<a href="{target}">{target}</a>
</html>
"""


def redirects(pages: list[str], language: str) -> dict[str, str]:
    """Return what stands at the addresses that end in a slash: the file's place in the site → its text.

    Args:
        pages: Where the pages are, such as `guides/mnist.html`.
        language: The pages' language.
    """
    wanted = {page: f"{page.removesuffix('.html')}/index.html" for page in pages if Path(page).name != "index.html"}
    return {
        place: PAGE.format(language=language, target=f"../{Path(page).name}")
        for page, place in wanted.items()
        if place not in pages
    }


found: list[str] = []


def on_pre_build(config):
    found.clear()


def on_page_context(context, page, config, nav):
    found.append(page.file.dest_uri)


def on_post_build(config):
    for place, text in redirects(found, config.theme["language"]).items():
        write_file(text.encode("utf-8"), str(Path(config.site_dir) / place))
