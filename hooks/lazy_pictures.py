"""Let a page's pictures load when they are near: they keep their place before, by their size.

They also know the width at which their words can be read: on a narrow screen they keep it, and scroll (assets/site.css).
"""

import posixpath
import re
import struct
from collections.abc import Callable
from pathlib import Path

IMAGE = re.compile(r'<img (?P<others>[^>]*?)src="(?P<source>[^":]+\.png)"(?P<more>[^>]*)>')
WIDTH = re.compile(r'\bwidth="(\d+)"')
LEAST = 11  # pixels: what is smaller cannot be read
DRAWN = 10 / 72  # inches: the smallest words that code draws, in a file that says how many pixels are an inch
SHOT = 12  # pixels: the smallest words on the playground's page


def readable_width(picture: bytes, shown: int) -> int:
    """Return how wide a picture has to be, in pixels, for its smallest words to be LEAST.

    Args:
        picture: The PNG.
        shown: How wide it is where there is room.
    """
    place = picture.find(b"pHYs")
    if place < 0:
        return round(shown * LEAST / SHOT)
    per_inch = struct.unpack(">I", picture[place + 4 : place + 8])[0] * 0.0254
    return round(struct.unpack(">I", picture[16:20])[0] / per_inch * LEAST / DRAWN)


def load_when_near(html: str, find: Callable[[str], Path | None]) -> str:
    """Return a page whose pictures are lazy, have width and height, and know at which width they can be read.

    Args:
        html: The page's content.
        find: Returns the file of a picture by the address the page has for it, or None where it is no file of the site.
    """

    def sized(image: re.Match) -> str:
        file = find(image["source"])
        if file is None:
            return image[0]
        picture = file.read_bytes()
        width, height = struct.unpack(">II", picture[16:24])  # where a PNG has them
        if shown := WIDTH.search(image[0]):
            width, height = int(shown[1]), round(height * int(shown[1]) / width)
        others = WIDTH.sub("", f'{image["others"]}src="{image["source"]}"{image["more"]}').rstrip(" /")
        least = f"--readable: {readable_width(picture, width)}px"
        return f'<img {others} width="{width}" height="{height}" style="{least}" loading="lazy" decoding="async">'

    return IMAGE.sub(sized, html)


def on_page_content(html, page, config, files):
    def find(source: str) -> Path | None:
        file = files.get_file_from_path(posixpath.normpath(posixpath.join(posixpath.dirname(page.url), source)))
        return file and Path(file.abs_src_path)

    return load_when_near(html, find)
