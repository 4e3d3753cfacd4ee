"""Replace the placeholders for recorded results in a page. The figures come from `docs/results/<example>.json` only.

{{ result: mnist/iid/federated }}     the last value of the example's metric
{{ result-interval: mnist/iid/federated }}   between what it lies, as far as the test data tell
{{ result-seed: mnist/iid/federated/2 }}     the last value with another seed
{{ result-difference: mnist/iid/node1 }}     between what federated less this lies
{{ results-table: mnist/iid }}        one row a run
{{ results-chart: mnist/iid }}        one curve a run, the data folded below
{{ results-classes: mnist/iid }}      what each run reaches on each class, the data folded below
{{ results-counts: mnist/iid }}       samples of each class on each node
{{ results-matrix: mnist/iid }}       what the federated model took each class for, where that was recorded
{{ results-grid: mnist/grid }}        a figure with sliders over a grid of runs
{{ results-messages: scale }}         what a round sends, by example and number of owners
{{ results-rounds: scale }}           how long it takes, by link; results-links draws it
{{ results-stragglers: scale }}       how long it waits for the slowest
{{ results-groups: scale }}           how long it takes in groups; results-averages: what their mean is worth
{{ results-workers: scale/workers }}  what several processes gain; results-many: what many owners take
{{ results-compression: scale/mnist }}   what is sent and reached where owners return less
{{ results-peers: scale/peers }}      what a run takes in other systems
{{ result-value: playground/classroom/class/hub_mb }}   a number that was measured besides training
{{ results-machine: mnist }}          where, when and with what it was recorded, in one sentence
"""

import json
import re
from pathlib import Path

from mkdocs.exceptions import PluginError

import results_figures
import results_grid
import results_html
import results_peers
import results_scale
import results_workers

OF_A_RUN = {
    "result": lambda record, run: results_html.last(record, record["metric"], run),
    "result-interval": results_html.interval,
    "result-difference": results_html.difference,
}
DRAW = {
    "results-table": results_html.table,
    "results-chart": results_figures.curves,
    "results-classes": results_figures.classes,
    "results-counts": results_html.counts,
    "results-matrix": results_html.matrix,
    "results-compression": results_scale.compression,
}
WHOLE = {  # of a whole recording
    "results-machine": results_html.machine,
    "results-grid": results_grid.figure,
    "results-messages": results_scale.messages,
    "results-rounds": results_scale.rounds,
    "results-links": results_scale.links,
    "results-stragglers": results_scale.stragglers,
    "results-groups": results_scale.groups,
    "results-averages": results_scale.averages,
    "results-peers": results_peers.tables,
    "results-workers": results_workers.gains,
    "results-many": results_workers.many,
}
WANTED = {
    "result-value": 3,
    "result-seed": 4,
    **dict.fromkeys(OF_A_RUN, 3),
    **dict.fromkeys(WHOLE, 1),
    **dict.fromkeys(DRAW, 2),
}  # how many names each takes
PLACEHOLDER = re.compile(r"\{\{\s*(results?\b[\w-]*)\s*:?\s*([^{}]*?)\s*\}\}")


class ResultError(Exception):
    """Say what a placeholder asks for in vain."""


def pick(kind: str, items: list[dict], name: str) -> dict:
    """Return the item of that name, or say which names there are."""
    found = next((item for item in items if item["name"] == name), None)
    if found is None:
        raise ResultError(f"there is no {kind} '{name}', only {', '.join(item['name'] for item in items) or 'none'}")
    return found


def load(folder: Path, example: str) -> dict:
    """Return what was recorded for an example."""
    path = folder / f"{example}.json"
    if not path.is_file():
        raise ResultError(f"{path} is missing: record it with `playground record {example}`")
    return json.loads(path.read_text(encoding="utf-8"))


def load_all(folder: Path) -> dict[str, dict]:
    """Return what was recorded for each example that was."""
    return {path.stem: load(folder, path.stem) for path in folder.glob("*.json")}


def answer(kind: str, target: str, folder: Path, language: str) -> str:
    """Return what one placeholder stands for."""
    if kind not in WANTED:
        raise ResultError(f"there is no '{kind}', only {', '.join(WANTED)}")
    names = target.rsplit("/", WANTED[kind] - 1)  # a recording may lie in a folder
    if len(names) != WANTED[kind] or not all(names):
        raise ResultError(f"'{kind}' takes {'/'.join(['example', 'experiment', 'run', 'seed'][: WANTED[kind]])}")
    record = load(folder, names[0])
    try:
        if kind in WHOLE:
            return WHOLE[kind](record, language)
        experiment = pick("experiment", record["experiments"], names[1])
        if kind == "result-value":
            return f"{experiment[names[2]]:,}"
        if kind in OF_A_RUN:
            return OF_A_RUN[kind](record, pick("run", experiment["runs"], names[2]))
        if kind == "result-seed":
            return results_html.with_seed(record, experiment, pick("run", experiment["runs"], names[2]), names[3])
        return DRAW[kind](record, experiment, language)
    except KeyError as missing:
        raise ResultError(f"{names[0]}.json has no {missing} there") from missing


def replace(markdown: str, page: str, folder: Path, language: str) -> str:
    """Return the page's text with every placeholder replaced.

    Raises:
        PluginError: A placeholder asks for what was not recorded; the message names the page and the placeholder.
    """

    def answer_or_fail(match: re.Match) -> str:
        try:
            return answer(match[1], match[2], folder, language)
        except ResultError as error:
            raise PluginError(f"{page}: {match[0]}: {error}") from error

    return PLACEHOLDER.sub(answer_or_fail, markdown)


def on_page_markdown(markdown, page, config, files):
    folder = Path(config.config_file_path).parent / config.extra["results_dir"]
    return replace(markdown, f"{Path(config.docs_dir).name}/{page.file.src_uri}", folder, config.theme["language"])
