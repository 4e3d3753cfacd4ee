"""Turn recorded results into figures: a title, a picture with its key, how it came about, and the data folded below."""

from collections.abc import Callable
from functools import partial
from html import escape

import chart
import dots
from results_html import WORDS, html_table, label, metric_facts, setting, show, show_tick, span


def curves(record: dict, experiment: dict, language: str) -> str:
    """Return the figure of every run's curve."""
    words, metric = WORDS[language], metric_facts(record, record["metric"])
    title, format_spec = metric[language], metric["format"]

    def curves_of(experiment: dict) -> list[chart.Curve]:
        return make_curves(experiment, words, lambda run: run["metrics"][record["metric"]])

    runs = curves_of(experiment)
    beside = [curve for other in record["experiments"] for curve in curves_of(other)]  # a page shows them all
    description = _ends("end", runs, format_spec, words) + words["stop"]
    show_y = partial(show_tick, format_spec=format_spec)
    picture = chart.draw(runs, words["round"], title, description, show_y, beside)
    data = chart_data(runs, format_spec, words)
    key = chart.legend(runs, words["whisker"])
    return _figure(title, picture + key, setting(experiment, words), data, words)


def classes(record: dict, experiment: dict, language: str) -> str:
    """Return the figure of what each run reaches on each class, where that was recorded."""
    words, metric = WORDS[language], metric_facts(record, record["metric"])
    title, format_spec = words["by_class"].format(metric[language]), metric["format"]

    def points(run: dict) -> list[tuple]:
        by_class = [(name, run["by_class"][name]) for name in record["data"]["classes"]]
        return [*by_class, (words["everything"], run["metrics"][record["metric"]][-1][1])]

    runs = make_curves(experiment, words, points)
    lowest = [(run.label, *min(run.points[:-1], key=lambda point: point[1])) for run in runs]
    said = [words["lowest"].format(who, name, show(value, format_spec)) for who, name, value in lowest]
    description = words["and"].join([*said, _ends("overall", runs, format_spec, words)]) + words["stop"]
    picture = dots.draw(runs, title, description, partial(show_tick, format_spec=format_spec))
    points = zip(*(run.points for run in runs), strict=True)  # class by class
    rows = [[escape(row[0][0]), *(show(value, format_spec) for _, value in row)] for row in points]
    data = html_table([words["class"], *(escape(run.label) for run in runs)], rows)
    key = dots.legend(runs, words["interval"])
    return _figure(title, picture + key, setting(experiment, words), data, words)


def make_curves(experiment: dict, words: dict, points: Callable[[dict], list[tuple]]) -> list[chart.Curve]:
    """Return one curve a run, through what `points` takes from it: federated, centralised, then each node alone."""
    runs = {run["name"]: run for run in experiment["runs"]}
    nodes = [name for name in runs if name not in ("federated", "centralised")]
    styles = {"federated": "federated", "centralised": "centralised"}
    styles |= {name: f"node-{i % 6 + 1}" for i, name in enumerate(nodes)}
    return [
        chart.Curve(label(runs[name], words), style, points(runs[name]), runs[name].get("interval"))
        for name, style in styles.items()
        if name in runs
    ]


def _ends(said: str, runs: list[chart.Curve], format_spec: str, words: dict) -> str:
    """Return in words what each run reaches in the end, and between what that lies, where it was recorded."""
    ends = []
    for run in runs:
        sure = words["between"].format(span(run.interval, format_spec)) if run.interval else ""
        ends.append(words[said].format(run.label, show(run.points[-1][1], format_spec)) + sure)
    return words["and"].join(ends)


def chart_data(curves: list[chart.Curve], format_spec: str, words: dict) -> str:
    """Return the table of what the curves show, one row a round."""
    rounds = sorted({x for curve in curves for x, _ in curve.points})
    columns = [dict(map(tuple, curve.points)) for curve in curves]
    rows = [[f"{x:g}", *(show(column[x], format_spec) if x in column else "–" for column in columns)] for x in rounds]
    return html_table([words["round"], *(escape(curve.label) for curve in curves)], rows)


def _figure(title: str, picture: str, caption: str, data: str, words: dict) -> str:
    return (
        f'<figure class="results"><p class="chart-title">{title}</p>{picture}'
        f"<figcaption>{escape(caption)}</figcaption>"
        f"<details><summary>{words['data']}</summary>{data}</details></figure>"
    )
