"""What the pages' recorded results say."""

import json

from pages import ROOT


def recorded(example: str, experiment: str) -> dict[str, dict]:
    """Return the runs of a recorded experiment by name."""
    record = json.loads((ROOT / f"docs/results/{example}.json").read_text("utf-8"))
    found = next(each for each in record["experiments"] if each["name"] == experiment)
    return {run["name"]: run for run in found["runs"]}
