"""The gallery of examples: of each the data and their licence, the result trained together and in one place, the time."""

from html import escape

from results_card import WORDS as CARD_WORDS
from results_card import duration
from results_html import interval, is_idle, last, metric_facts

WORDS = {
    "zh": {
        "head": ["示例", "指标", "集中训练", "联邦学习", "逐轮的变化", "用时", "数据和许可证"],
        "curve": "{metric}逐轮的变化：联邦学习从 {first} 到 {last}",
    },
    "en": {
        "head": ["Example", "Measure", "Centralised", "Federated", "Round by round", "Time", "Data and licence"],
        "curve": "{metric} round by round: federated from {first} to {last}",
    },
}
WIDTH, HEIGHT, EDGE = 96, 32, 3
DASHES = {"federated": "", "centralised": "3 2"}  # not told apart by colour alone


def row(title: str, data: dict[str, str], record: dict | None, language: str) -> list[str]:
    """Return the cells of an example; one that was never recorded has no figures."""
    licence = data.get("licence_zh" if language == "zh" else "licence") or data.get("licence", "")
    source = f"{data.get('name', '')}<br><small>{licence}</small>"
    if record is None:
        return [title, *5 * ["–"], source]
    experiment, metric = record["experiments"][0], record["metric"]
    runs = {run["name"]: run for run in experiment["runs"] if run["name"] in DASHES}
    figures = [_figure(record, runs[name]) if name in runs else "–" for name in ("centralised", "federated")]
    time = duration(runs["federated"]["seconds"], is_idle(experiment), CARD_WORDS[language])
    return [title, metric_facts(record, metric)[language], *figures, curve(record, runs, language), time, source]


def _figure(record: dict, run: dict) -> str:
    """Return what a run reaches, and below it between what that lies, where this was recorded."""
    sure = f"<br><small>{interval(record, run)}</small>" if "interval" in run else ""
    return last(record, record["metric"], run) + sure


def curve(record: dict, runs: dict[str, dict], language: str) -> str:
    """Return a small picture of the metric over the rounds, federated and centralised, in one line."""
    metric = record["metric"]
    series = {name: run["metrics"][metric] for name, run in runs.items()}
    points = [point for each in series.values() for point in each]
    low, high = min(value for _, value in points), max(value for _, value in points)
    rounds = max(number for number, _ in points)

    def place(number: int, value: float) -> str:
        x = EDGE + (WIDTH - 2 * EDGE) * (number - 1) / max(rounds - 1, 1)
        y = EDGE + (HEIGHT - 2 * EDGE) * (1 - (value - low) / ((high - low) or 1))
        return f"{x:.1f},{y:.1f}"

    lines = "".join(
        f'<polyline points="{" ".join(place(*point) for point in each)}" '
        f'style="fill:none;stroke:var(--run-{name});stroke-width:2;stroke-dasharray:{DASHES[name] or "none"}"/>'
        for name, each in series.items()
    )
    facts, federated = metric_facts(record, metric), runs["federated"]
    first = last(record, metric, {"metrics": {metric: federated["metrics"][metric][:1]}})
    said = WORDS[language]["curve"].format(metric=facts[language], first=first, last=last(record, metric, federated))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(said)}">{lines}</svg>'
    )


def table(rows: list[list[str]], language: str) -> str:
    """Return the rows as a Markdown table, whose links the site resolves."""
    head = WORDS[language]["head"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
