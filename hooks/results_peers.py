"""Turn what was recorded of other systems beside ours into a page's tables: docs/results/scale/peers.json."""

from results_html import html_table
from results_workers import GAP, seconds

SHOWN = "10"  # data owners: the table that is not folded
WORDS = {
    "zh": {
        "system": "系统",
        "wall_seconds": "整个运行",
        "round_seconds": "一个轮次",
        "cpu_seconds": "处理器时间",
        "peak_mb": "内存峰值",
        "difference": "参数最多相差",
        "owners": "{} 个数据方",
        "seconds": "秒",
        "bare": "手写的循环",
        "ours-1": "本机引擎，<code>--workers 1</code>",
        "ours-2": "本机引擎，<code>--workers 2</code>",
        "flower": "Flower 的模拟",
        "flare": "NVIDIA FLARE 的模拟器",
        "ray": "Ray 的 actor",
    },
    "en": {
        "system": "System",
        "wall_seconds": "Whole run",
        "round_seconds": "A round",
        "cpu_seconds": "Processor time",
        "peak_mb": "Memory, at most",
        "difference": "Parameters differ by",
        "owners": "{} data owners",
        "seconds": "s",
        "bare": "A loop by hand",
        "ours-1": "Local engine, <code>--workers 1</code>",
        "ours-2": "Local engine, <code>--workers 2</code>",
        "flower": "Flower's simulation",
        "flare": "NVIDIA FLARE's simulator",
        "ray": "Actors of Ray",
    },
}
COLUMNS = ("wall_seconds", "round_seconds", "cpu_seconds", "peak_mb", "difference")


def tables(record: dict, language: str) -> str:
    """Return what each system took: a table for each number of data owners, one open and the others folded."""
    words, shown, folded = WORDS[language], "", ""
    systems = [run["name"] for run in record["experiments"][0]["runs"]]
    for experiment in record["experiments"]:
        title = words["owners"].format(experiment["nodes"])
        table = _table(experiment, systems, words)
        if experiment["name"] == SHOWN:
            shown = f'<p class="chart-title">{title}</p>{table}'
        else:
            folded += f"<details><summary>{title}</summary>{table}</details>"
    return f'<div class="results results-scale">{shown}{folded}</div>'


def _table(experiment: dict, systems: list[str], words: dict) -> str:
    """Return one row a system; what was not measured with so many data owners has dashes."""
    runs = {run["name"]: run for run in experiment["runs"]}
    rows = [
        [words[name], *(_cell(runs[name][column], column, words) if name in runs else "–" for column in COLUMNS)]
        for name in systems
    ]
    return html_table([words[name] for name in ("system", *COLUMNS)], rows)


def _cell(value: float, column: str, words: dict) -> str:
    if column == "difference":
        return f"{value:.0e}".replace("-", "\N{MINUS SIGN}") if value else "0"
    if column == "peak_mb":
        return f"{value:,.0f}{GAP}MB"
    return seconds(value, words)
