"""How fast the pages are on a phone and on a desktop: Lighthouse's performance, and bytes over HTTP with gzip.

Lighthouse is no dependency of the project: install it with npm, and Chromium beside it. Build the site first.

    npm install --prefix /tmp/lighthouse lighthouse@12
    python benchmarks/lighthouse.py /tmp/lighthouse/node_modules/.bin/lighthouse --record
"""

import argparse
import functools
import gzip
import http.server
import io
import itertools
import json
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from alphamed_tutorials.runs.machine import machine
from alphamed_tutorials.runs.writing import write_json

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
RECORDING = ROOT / "docs" / "results" / "site" / "lighthouse.json"
PAGES = ("index", "quickstart", "guides/*", "notebooks/mnist", "notebooks/object_detection", "reference/cli")
LANGUAGES = {"zh": "", "en": "en/"}
SCREENS: dict[str, list[str]] = {"phone": [], "desktop": ["--preset=desktop"]}  # a phone is Lighthouse's default
REPEATS = 3
COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".xml", ".txt"}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a folder as a usual server does: text gzipped, by HTTP/1.1, files that may be kept."""

    protocol_version = "HTTP/1.1"

    def send_head(self):
        """Send what precedes a file, and return the file as it travels."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            return super().send_head()
        is_compressed = path.suffix in COMPRESSED
        content = compressed(path) if is_compressed else path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=3600")
        if is_compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        return io.BytesIO(content)

    def log_message(self, *_):
        """Say nothing of each request."""


@functools.cache
def compressed(path: Path) -> bytes:
    """Return a file gzipped, once for all requests."""
    return gzip.compress(path.read_bytes())


def look(lighthouse: str, address: str, screen: str) -> dict[str, float]:
    """Return what Lighthouse finds when it opens a page once."""
    chromium = "--chrome-flags=--headless=new --no-sandbox --disable-gpu"
    options = ["--only-categories=performance", "--output=json", "--quiet", chromium, *SCREENS[screen]]
    done = subprocess.run([lighthouse, address, *options], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    value = {name: audit.get("numericValue") for name, audit in found["audits"].items()}
    return {
        "performance": round(100 * found["categories"]["performance"]["score"]),
        "largest_paint_ms": round(value["largest-contentful-paint"]),
        "blocked_ms": round(value["total-blocking-time"]),
        "shift": round(value["cumulative-layout-shift"], 3),
        "kilobytes": round(value["total-byte-weight"] / 1000),
    }


def measure(lighthouse: str, home: str, pages: list[str], repeats: int) -> list[dict[str, Any]]:
    """Return the medians of each page in each language on each screen."""
    rows = []
    for page, (language, folder), screen in itertools.product(pages, LANGUAGES.items(), SCREENS):
        looks = [look(lighthouse, f"{home}/{folder}{page}.html", screen) for _ in range(repeats)]
        medians = {name: statistics.median(each[name] for each in looks) for name in looks[0]}
        rows.append({"page": page, "language": language, "screen": screen, **medians})
        print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def find_pages(patterns: list[str]) -> list[str]:
    """Return the pages of the site that patterns stand for, such as `guides/*`."""
    found = [sorted(SITE.glob(f"{pattern}.html")) for pattern in patterns]
    return [path.relative_to(SITE).with_suffix("").as_posix() for paths in found for path in paths]


def main() -> None:
    """Measure, print, and write the recording if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lighthouse", help="the program")
    parser.add_argument("--pages", nargs="+", default=PAGES, help="pages, or patterns of them")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--record", action="store_true", help=f"write {RECORDING.relative_to(ROOT)}")
    arguments = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home, started = f"http://127.0.0.1:{server.server_port}", time.monotonic()
    rows = measure(arguments.lighthouse, home, find_pages(arguments.pages), arguments.repeats)
    version = subprocess.run([arguments.lighthouse, "--version"], check=True, capture_output=True, text=True).stdout
    recording = {
        "recorded": time.strftime("%Y-%m-%d"),
        "seconds": round(time.monotonic() - started),
        "machine": machine(),
        "versions": {"lighthouse": version.strip()},
        "repeats": arguments.repeats,
        "rows": rows,
    }
    if arguments.record:
        write_json(RECORDING, recording)


if __name__ == "__main__":
    main()
