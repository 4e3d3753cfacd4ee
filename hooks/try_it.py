"""Put "try it in the page" where a page says `{{ try-it: mnist/label_skew }}`: the recorded models answer side by side.

What tools/record_try.py recorded lies in the folder of the example's results. The page itself gets a few test digits with
the recorded answers; runtime and models lie once below the site's root, for both languages, and docs/assets/try.js loads
them when the reader asks.
"""

import json
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

import try_it_html
from languages import HOME, site_root
from results import ResultError, load, pick

PLACEHOLDER = re.compile(r"\{\{\s*try-it\s*:\s*([\w-]+)/([\w-]+)\s*\}\}")
RUNTIME = "onnxruntime/"  # below `assets`


def model_files(results: Path, example: str) -> dict[str, Path]:
    """Return the recorded models: address below `assets` → file on disk."""
    return {f"results/{example}/{path.name}": path for path in sorted((results / example).glob("*.onnx"))}


def runtime_files(root: Path) -> list[Path]:
    """Return what a click loads to run the models."""
    return [path for path in sorted((root / "docs" / "assets" / RUNTIME).iterdir()) if path.suffix in (".js", ".wasm")]


def on_files(files, config):
    """Keep runtime and models once, below the Chinese home, which is the whole site's root."""
    root, is_home = Path(config.config_file_path).parent, not HOME[config.theme["language"]]
    results = root / config.extra["results_dir"]
    if not is_home:
        for file in [file for file in files if file.src_uri.startswith(f"assets/{RUNTIME}")]:
            files.remove(file)
        return
    for recording in results.glob("*/try.json"):
        for address, path in model_files(results, recording.parent.name).items():
            files.append(File.generated(config, f"assets/{address}", abs_src_path=str(path)))


def on_page_markdown(markdown, page, config, files):
    root, language = Path(config.config_file_path).parent, config.theme["language"]
    results, assets = root / config.extra["results_dir"], get_relative_url("assets/", page.url)

    def put(match: re.Match) -> str:
        example, name = match[1], match[2]
        recording = results / example / "try.json"
        try:
            record = load(results, example)
            experiment = pick("experiment", record["experiments"], name)
            recorded = json.loads(recording.read_text("utf-8"))
        except (ResultError, FileNotFoundError) as error:
            raise PluginError(f"{page.file.src_uri}: {match[0]}: {error}") from error
        loaded = [*runtime_files(root), *model_files(results, example).values()]
        shared = f"{site_root(language, get_relative_url('.', page.url))}assets/"
        size = sum(path.stat().st_size for path in loaded)
        return try_it_html.widget(record, experiment, recorded, language, assets, shared, size)

    return PLACEHOLDER.sub(put, markdown)
