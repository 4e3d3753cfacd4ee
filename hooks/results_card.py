"""What a card says of a recorded example: how long it takes, how large its data are, what comes out and how sure that is."""

import math

from results_html import interval, is_idle, last, metric_facts

WORDS = {
    "zh": {"time": "用时", "data": "训练样本", "about": "约 ", "under": "不到 ", "s": " 秒", "min": " 分钟"},
    "en": {"time": "Time", "data": "Training samples", "about": "about ", "under": "under ", "s": " s", "min": " min"},
}


def figures(record: dict, language: str) -> dict[str, str]:
    """Return the figures of an example's first experiment, trained federated: what each is → its value, as HTML."""
    words, experiment = WORDS[language], record["experiments"][0]
    run = next(run for run in experiment["runs"] if run["name"] == "federated")
    sure = f" <small>{interval(record, run)}</small>" if "interval" in run else ""
    return {
        words["time"]: f"<b>{duration(run['seconds'], is_idle(experiment), words)}</b>",
        words["data"]: f"<b>{record['data']['train']:,}</b>",
        metric_facts(record, record["metric"])[language]: f"<b>{last(record, record['metric'], run)}</b>{sure}",
    }


def duration(seconds: float, idle: bool, words: dict[str, str]) -> str:
    """Return a rough time; other work on the machine only made it longer, so then it is a bound."""
    value, unit = (seconds, "s") if seconds < 60 else (seconds / 60, "min")
    return (
        f"{words['about']}{value:.0f}{words[unit]}" if idle else f"{words['under']}{math.floor(value) + 1}{words[unit]}"
    )
