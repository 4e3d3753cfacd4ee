"""Let a page's pictures load when they are near: they keep their place before, by their size."""

import posixpath
import re
import struct
from collections.abc import Callable
from pathlib import Path

IMAGE = re.compile(r'<img (?P<others>[^>]*?)src="(?P<source>[^":]+\.png)"(?P<more>[^>]*)>')
WIDTH = re.compile(r'\bwidth="(\d+)"')


def load_when_near(html: str, find: Callable[[str], Path | None]) -> str:
    """Return a page whose pictures are lazy and have width and height.

    Args:
        html: The page's content.
        find: Returns the file of a picture by the address the page has for it, or None where it is no file of the site.
    """

    def sized(image: re.Match) -> str:
        file = find(image["source"])
        if file is None:
            return image[0]
        width, height = struct.unpack(">II", file.read_bytes()[16:24])  # where a PNG has them
        if shown := WIDTH.search(image[0]):
            width, height = int(shown[1]), round(height * int(shown[1]) / width)
        others = WIDTH.sub("", f'{image["others"]}src="{image["source"]}"{image["more"]}').rstrip(" /")
        return f'<img {others} width="{width}" height="{height}" loading="lazy" decoding="async">'

    return IMAGE.sub(sized, html)


def on_page_content(html, page, config, files):
    def find(source: str) -> Path | None:
        file = files.get_file_from_path(posixpath.normpath(posixpath.join(posixpath.dirname(page.url), source)))
        return file and Path(file.abs_src_path)

    return load_when_near(html, find)
