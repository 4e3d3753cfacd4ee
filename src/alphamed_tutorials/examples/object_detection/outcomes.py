"""What the model finds in each test picture; only recorded results need this, it is not uploaded."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .data import PooledEvaluation

Found = tuple[
    np.ndarray, np.ndarray, int
]  # of one picture: scores, whether each is a pedestrian, pedestrians there are


@torch.no_grad()
def outcomes(scheduler: Any) -> list[Found]:
    """Return for each test picture which boxes are right at an IoU of 0.5, as COCO's evaluation matches them."""
    evaluation = PooledEvaluation()
    for images, targets in scheduler.test_loader:
        for target, output in zip(targets, scheduler.model(images)):
            evaluation.add(target, output)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        matching = evaluation.comparison("bbox")
        matching.params.iouThrs = np.array([0.5])
        matching.params.areaRng, matching.params.areaRngLbl = (
            matching.params.areaRng[:1],
            ["all"],
        )
        matching.evaluate()
    return [_of_picture(one) for one in matching.evalImgs]


def _of_picture(matched: dict[str, Any] | None) -> Found:
    if matched is None:  # nothing there and nothing found
        return np.zeros(0), np.zeros(0, dtype=bool), 0
    return (
        np.array(matched["dtScores"]),
        np.array(matched["dtMatches"][0]) > 0,
        len(matched["gtIds"]),
    )


def metric(found: Sequence[Found]) -> float:
    """Return the AP50 of pictures: COCO's mean precision at 101 recalls."""
    scores, right = (np.concatenate([one[part] for one in found]) for part in (0, 1))
    right = right[np.argsort(-scores, kind="mergesort")]
    hits, pedestrians = np.cumsum(right), sum(one[2] for one in found)
    if not pedestrians or not len(right):
        return 0.0
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    place = np.searchsorted(hits / pedestrians, np.linspace(0, 1, 101), side="left")
    return float(np.append(precision, 0.0)[place].mean())
