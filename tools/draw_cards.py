"""Draw the picture that a link to the site shows where it is shared, one for each language.

    python tools/draw_cards.py      (`make cards`)

The pictures are kept, not drawn at each build: a build would need a font with Chinese characters, and would draw another
picture on each machine. Services that show them take no SVG. Each picture holds its words, so that a test can compare
them with the site's.
"""

from io import BytesIO

from mkdocs.config import load_config
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from chromium import launched
from pages import ROOT

FOLDER = ROOT / "docs" / "assets" / "cards"
CONFIGURATIONS = {"zh": ROOT / "mkdocs.yml", "en": ROOT / "mkdocs.en.yml"}
SIZE = {"width": 1200, "height": 630}  # what the services that show it ask for
COLOURS = 64
PAGE = """<!doctype html>
<html lang="{language}">
<style>{style}</style>
<style>
  body {{ display: grid; grid-template-columns: 1fr 540px; gap: 40px; align-items: center; box-sizing: border-box;
    width: 1200px; height: 630px; margin: 0; padding: 56px; border-top: 18px solid var(--site-strong); background: #fff;
    color: #202428; font-family: var(--md-text-font-family); }}
  h1 {{ margin: 0 0 28px; color: var(--site-strong); font-size: 54px; line-height: 1.25; text-wrap: balance; word-break: keep-all; }}
  p {{ margin: 0; font-size: 28px; line-height: 1.5; }}
</style>
<body data-md-color-scheme="default" style="--md-default-fg-color: #202428">
  <div><h1>{title}</h1><p>{description}</p></div>
  {figure}
</body>
</html>"""


def words(language: str) -> dict[str, str]:
    """Return what a language's picture says."""
    config = load_config(str(CONFIGURATIONS[language]), hooks=[])
    return {"Title": config.site_name, "Description": config.site_description}


def draw(page, language: str) -> None:
    """Draw one language's picture.

    Args:
        page: Playwright's, as large as the picture.
        language: Whose picture it is.
    """
    said, info = words(language), PngInfo()
    for key, text in said.items():
        info.add_itxt(key, text)
    style, figure = ((ROOT / "docs" / "assets" / name).read_text("utf-8") for name in ("site.css", "federation.svg"))
    title, description = said.values()
    page.set_content(PAGE.format(language=language, style=style, figure=figure, title=title, description=description))
    with Image.open(BytesIO(page.screenshot(animations="disabled"))) as picture:
        FOLDER.mkdir(parents=True, exist_ok=True)
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(FOLDER / f"{language}.png", optimize=True, pnginfo=info)


if __name__ == "__main__":
    with launched() as browser:
        page = browser.new_page(viewport=SIZE)
        for language in CONFIGURATIONS:
            draw(page, language)
