"""Fonts for names that matplotlib's own font has no characters for, such as Chinese ones."""

import contextlib
from collections.abc import Iterable, Iterator

# Looked at first, because they are made for reading: on Linux, Windows, macOS. Any other that has the characters will do.
PREFERRED = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Heiti TC", "Arial Unicode MS",
)  # fmt: skip


def families_for(names: Iterable[str]) -> tuple[list[str], str]:
    """Return the font families to draw names with, and what to do if even these lack characters; empty if none lacks."""
    from matplotlib import rcParams  # here, because it takes a second that no other use should cost
    from matplotlib.font_manager import findfont

    default = rcParams["font.sans-serif"][:1]
    missing = {character for name in names for character in name if not character.isspace()}
    missing = _not_in(findfont(default[0]), missing) if not all(map(str.isascii, missing)) else set()
    if not missing:
        return default, ""
    family, lacking = "", missing
    for name, file in _installed():
        without = _not_in(file, missing)
        if len(without) < len(lacking):
            family, lacking = name, without
        if not lacking:
            return [*default, family], ""
    return [*default, *filter(None, [family])], (
        f"no font of this machine has {''.join(sorted(lacking)[:20])}, boxes stand for that: install one that has, such as "
        "Noto Sans CJK (fonts-noto-cjk on Debian and Ubuntu)"
    )


def _installed() -> Iterator[tuple[str, str]]:
    """Yield name and file of each font, the preferred ones first, also those installed since matplotlib looked."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    known = {font.fname for font in fontManager.ttflist}
    for file in findSystemFonts():
        if file not in known:
            with contextlib.suppress(Exception):  # files of other kinds, which raise as they like
                fontManager.addfont(file)
    fonts = {font.name: font.fname for font in fontManager.ttflist}
    yield from ((name, fonts[name]) for name in PREFERRED if name in fonts)
    yield from ((name, file) for name, file in sorted(fonts.items()) if name not in PREFERRED)


def _not_in(file: str, characters: set[str]) -> set[str]:
    """Return the characters that a font's file does not have."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(file)
    except (OSError, RuntimeError):  # gone since, or of a form that cannot be read
        return characters
    return {character for character in characters if not font.get_char_index(ord(character))}
