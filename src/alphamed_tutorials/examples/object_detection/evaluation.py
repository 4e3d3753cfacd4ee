"""Average precision over all test pictures at once, as COCO defines it."""

import contextlib
import io

import numpy as np
import torch


# --8<-- [start:evaluation]
class PooledEvaluation:
    """Collect what a model finds and what there is; every picture gets a number of its own, whoever it came from."""

    def __init__(self):
        self.pictures: list[dict] = []
        self.truth: list[dict] = []
        self.found: list[dict] = []

    def add(self, target: dict[str, torch.Tensor], output: dict[str, torch.Tensor]) -> None:
        """Add one picture: its pedestrians, and the model's boxes, labels, scores and masks [D, 1, H, W]."""
        picture = len(self.pictures) + 1
        height, width = target["masks"].shape[-2:]
        self.pictures.append({"id": picture, "height": height, "width": width})
        for entry in entries(picture, target["boxes"], target["labels"], target["masks"]):
            self.truth.append({**entry, "id": len(self.truth) + 1, "iscrowd": 0})
        found = entries(picture, output["boxes"], output["labels"], output["masks"][:, 0] > 0.5)
        for entry, score in zip(found, output["scores"].tolist()):
            self.found.append({**entry, "score": score})

    def average_precision(self) -> dict[str, float]:
        """Return AP (mean over IoU 0.50 to 0.95) and AP50 of boxes and of masks."""
        from pycocotools.coco import COCO  # here, because only the aggregator needs it
        from pycocotools.cocoeval import COCOeval

        if not self.found:
            return dict.fromkeys(("box_ap50", "box_ap", "mask_ap50", "mask_ap"), 0.0)
        result = {}
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
            truth = COCO()
            truth.dataset = {
                "images": self.pictures, "annotations": self.truth, "categories": [{"id": 1}], "info": {},
            }  # fmt: skip
            truth.createIndex()
            for name, kind in (("box", "bbox"), ("mask", "segm")):
                evaluation = COCOeval(truth, truth.loadRes([dict(entry) for entry in self.found]), kind)
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
                result |= {f"{name}_ap50": float(evaluation.stats[1]), f"{name}_ap": float(evaluation.stats[0])}
        return result


def entries(picture: int, boxes: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor) -> list[dict]:
    """Return boxes and masks as COCO writes them: x, y, width, height, and masks by run lengths."""
    from pycocotools import mask as rle

    corners = boxes.cpu().double()
    sizes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).tolist()
    columns = np.asfortranarray(masks.cpu().numpy().astype(np.uint8).transpose(1, 2, 0))  # [H, W, P], column by column
    return [
        {"image_id": picture, "category_id": label, "bbox": size, "area": float(rle.area(code)), "segmentation": code}
        for size, label, code in zip(sizes, labels.tolist(), rle.encode(columns))
    ]
# --8<-- [end:evaluation]
