"""Draw each picture a second time, in Chinese: what a recorded program draws, whatever process of it draws.

Python imports this file by its name as it starts, where `record_outputs.py` puts its folder on the path. A picture's
twin lies in the folder TWINS under the picture's SHA-256, because a program may write a picture anywhere.
"""

import hashlib
import os
import re
import sys
import tomllib
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from io import BytesIO
from pathlib import Path

TABLE = Path(__file__).parents[2] / "snippets" / "pictures.zh.toml"


def in_chinese(text: str, words: dict[str, str]) -> str:
    """Return a picture's text with the known words in Chinese; parts of other words, as of names, stay."""
    known = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(rf"(?<![\w/])({known})(?![\w/])", lambda word: words[word[0]], text)


def draw_twice(figure_class: type, twins: Path) -> None:
    """Let figures, when they are saved as PNG, leave a Chinese twin in a folder."""
    save, words = figure_class.savefig, tomllib.loads(TABLE.read_text("utf-8"))

    def savefig(figure, target, **options):
        save(figure, target, **options)
        drawn = target.getvalue() if isinstance(target, BytesIO) else Path(target).read_bytes()
        if drawn.startswith(b"\x89PNG"):
            twins.joinpath(hashlib.sha256(drawn).hexdigest()).write_bytes(_draw_in_chinese(figure, options))

    def _draw_in_chinese(figure, options: dict) -> bytes:
        from matplotlib.text import Text

        from alphamed_tutorials.runs.fonts import families_for

        english = {text: (text.get_text(), text.get_fontproperties()) for text in figure.findobj(Text)}
        chinese = {text: in_chinese(words_there, words) for text, (words_there, _) in english.items()}
        families, lacking = families_for(chinese.values())
        if lacking:
            raise RuntimeError(lacking)
        for text, words_there in chinese.items():
            text.set(text=words_there, fontfamily=families)
        picture = BytesIO()
        save(figure, picture, **options | {"format": "png"})
        for text, (words_there, font) in english.items():
            text.set(text=words_there, fontproperties=font)
        return picture.getvalue()

    figure_class.savefig = savefig


class _Figures(MetaPathFinder):
    """Change matplotlib's figures when they are first imported: most processes never do."""

    def find_spec(self, fullname, path, target=None):
        if fullname != "matplotlib.figure":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        execute = spec.loader.exec_module

        def exec_module(module) -> None:
            execute(module)
            draw_twice(module.Figure, Path(os.environ["TWINS"]))

        spec.loader.exec_module = exec_module
        return spec


if "TWINS" in os.environ:
    sys.meta_path.insert(0, _Figures())
