"""Take pictures of the playground's page in which nothing is another one each time."""

from io import BytesIO
from pathlib import Path

from PIL import Image

WIDTHS = {"desktop": 800, "phone": 375}
HEIGHT = 900  # of the window; a picture is as high as what it shows
COLOURS = 128

# The page as it is now, apart from the stream that would fetch it anew: without what comes before `since` and from
# `until` on, and with clocks, hashes, pseudonyms, folders and counts that depend on seconds written over. A Chinese reader's browser says "choose a
# file" in Chinese; ours knows English only.
HOLD_STILL = """([since, until, seen]) => {
  const main = document.getElementById("main"), still = main.cloneNode(true);
  still.removeAttribute("id");
  for (let each = since && still.querySelector(since); each && each !== still; each = each.parentNode)
    while (each.previousSibling) each.previousSibling.remove();
  for (let each = until && still.querySelector(until), isLast = true; each && each !== still; isLast = false) {
    const parent = each.parentNode;
    while (each.nextSibling) each.nextSibling.remove();
    if (isLast) each.remove();
    each = parent;
  }
  const hex = (found) => {
    if (!seen.includes(found)) seen.push(found);
    return Array.from(found, (_, place) => ((seen.indexOf(found) * 7 + place * 11 + 3) % 16).toString(16)).join("");
  };
  const texts = document.createTreeWalker(still, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    texts.currentNode.data = texts.currentNode.data
      .replace(/\\d{4}-\\d\\d-\\d\\d(?=[ T])/g, "2025-03-14")
      .replace(/\\b\\d\\d:\\d\\d(:\\d\\d)?/g, (found) => "10:26:53".slice(0, found.length))
      .replace(/\\d+(?= (records|条记录))/g, "86").replace(/\\d+(?= (heads|个日志头))/g, "5")
      .replace(/(?<=第 |round )2(?= 轮，共 3 轮| of 3)/, "3")
      .replace(/"[/][^"]*[/](playground[/]\\w+)"/g, '"$1"')
      .replace(/\\b(?=[a-f]*\\d)[0-9a-f]{8,}/g, hex);
  }
  for (const bar of still.querySelectorAll("progress")) bar.value = 70;
  main.replaceWith(still);
  for (const input of document.querySelectorAll(":lang(zh) input[type=file]")) {
    input.type = "text";
    input.value = "选择文件　未选择任何文件";
  }
  const log = still.querySelector("pre.log");
  if (log) log.scrollTop = log.scrollHeight;
  return seen;
}"""


def hold_still(page, seen: list[str], until: str | None = None, since: str | None = None) -> None:
    """Let a page stay as it is.

    Args:
        page: Playwright's.
        seen: Hashes and pseudonyms that were written over before, so that each is the same on all pictures; more are
            added.
        until: What is not shown any more, with all that comes behind it.
        since: What is shown first, below the page's head.
    """
    page.mouse.move(0, 0)  # nothing is under the pointer
    seen[:] = page.evaluate(HOLD_STILL, [since, until, seen])


def take(page, file: Path) -> list[str]:
    """Write the picture of a page that holds still, from its head to the end of its main part; return its lines."""
    box = page.locator("main").bounding_box()
    clip = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": round(box["y"] + box["height"])}
    with Image.open(BytesIO(page.screenshot(clip=clip, full_page=True, animations="disabled"))) as picture:
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    return page.locator("main").inner_text().split("\n")
