"""Record the models that the MNIST guide lets its reader try, and what they answer in Python.

    python tools/record_try.py SOURCE      (SOURCE holds MNIST's test files, as for `playground record mnist`)

The runs of the recorded label skew are made once more with the same seed. Only where they end at the recorded figures,
digit by digit, do their models go beside the results: what answers in the page is what the page's tables are about.
"""

import base64
import json
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch

from alphamed_tutorials.catalogue import find
from alphamed_tutorials.data.folders import AGGREGATOR
from alphamed_tutorials.examples.mnist.dataset_verify import read_split
from alphamed_tutorials.experiments.compare import DATA, compare
from alphamed_tutorials.experiments.intervals import outcomes_of
from alphamed_tutorials.runs.export import export_form
from alphamed_tutorials.runs.exportable import load_exportable
from alphamed_tutorials.runs.folder import Run
from alphamed_tutorials.runs.machine import machine, versions
from alphamed_tutorials.runs.writing import write_json
from pages import ROOT

RESULTS = ROOT / "docs" / "results"
EXAMPLE, EXPERIMENT = "mnist", "label_skew"
ORDER = ("federated", "centralised")  # of the models on the page; then each node alone
DIGITS = 50  # the first ones of the test data


def recorded() -> dict:
    """Return the recorded experiment."""
    record = json.loads((RESULTS / f"{EXAMPLE}.json").read_text("utf-8"))
    return next(each for each in record["experiments"] if each["name"] == EXPERIMENT)


def repeat(experiment: dict, source: Path, folder: Path) -> dict[str, Run]:
    """Make the experiment's runs once more.

    Returns:
        The runs by name, in the order of the page.

    Raises:
        SystemExit: One of them ended at other figures than the recorded ones.
    """
    compare(
        EXAMPLE,
        num_nodes=experiment["nodes"],
        num_rounds=experiment["rounds"],
        partition=experiment["partition"],
        source=source,
        seed=experiment["seed"],
        out=folder,
    )
    found = {run["name"]: Run.open(folder / run["name"]) for run in experiment["runs"]}
    for run in experiment["runs"]:
        if outcomes_of(found[run["name"]], find(EXAMPLE)).compact() != run["outcomes"]:
            raise SystemExit(f"{run['name']} ends elsewhere than recorded: playground record {EXAMPLE} comes first")
    return {name: found.pop(name) for name in ORDER} | found


def write(runs: dict[str, Run], test_data: Path, folder: Path) -> list[dict]:
    """Write each run's model as ONNX.

    Returns:
        The first test digits: label, pixels as text, and the probabilities of each model.
    """
    images, labels = (part[:DIGITS] for part in read_split(test_data / "MNIST" / "raw", "test"))
    answers = {}
    for name, run in runs.items():
        exportable, _ = load_exportable(run)
        export_form(exportable, "onnx", folder / f"{name}.onnx")
        with torch.no_grad():
            answers[name] = exportable.model(images)
    return [
        {
            "label": int(label),
            "pixels": base64.b64encode(image.numpy().tobytes()).decode(),
            "answers": {name: [round(value, 7) for value in answer[i].tolist()] for name, answer in answers.items()},
        }
        for i, (image, label) in enumerate(zip(images, labels, strict=True))
    ]


def record(source: Path) -> None:
    """Write models and answers into the folder of the example's results."""
    experiment, folder = recorded(), RESULTS / EXAMPLE
    with tempfile.TemporaryDirectory() as scratch:
        runs = repeat(experiment, source, Path(scratch) / "runs")
        digits = write(runs, Path(scratch) / "runs" / DATA / "nodes" / AGGREGATOR, folder)
        facts = {
            "example": EXAMPLE,
            "experiment": EXPERIMENT,
            "seed": experiment["seed"],
            "recorded": time.strftime("%Y-%m-%d"),
            "seconds": round(sum(run.record["seconds"] for run in runs.values()), 1),
            "machine": machine(),
            "versions": versions() | {name: version(name) for name in ("onnx", "onnxscript", "onnxruntime")},
            "models": list(runs),
            "digits": digits,
        }
    write_json(folder / "try.json", facts)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
