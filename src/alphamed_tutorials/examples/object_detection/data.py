"""From the pictures in a node's folder to batches of tensors, and from a model's answers to average precision."""

# --8<-- [start:imports]
import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import masks_to_boxes

# --8<-- [end:imports]
from .dataset_verify import find_names, read_picture


# --8<-- [start:dataset]
class PedestrianDataset(Dataset):
    """Hand out pictures with the box and the mask of every pedestrian.

    Args:
        data_dir: A node's data folder, holding `PennFudanPed`.
        train: Mirror every second picture, by chance.
    """

    def __init__(self, data_dir: str | Path, train: bool):
        self.folder, self.train = Path(data_dir) / "PennFudanPed", train
        self.names = find_names(self.folder)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return a picture [3, H, W], 0 to 1, and its P pedestrians: boxes, labels, masks."""
        pixels, instances = read_picture(self.folder, self.names[index])
        image = pixels / 255
        if self.train and torch.rand(()) < 0.5:
            image, instances = image.flip(-1), instances.flip(-1)
        return image, build_target(instances)


def build_target(instances: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what a mask [H, W] says: 0 is background, 1 the first pedestrian, 2 the second …"""
    numbers = instances.unique()
    masks = instances == numbers[numbers > 0][:, None, None]  # [P, H, W]
    # Theirs name the last pixel inside.
    boxes = masks_to_boxes(masks) + torch.tensor([0, 0, 1, 1])
    return {
        "boxes": boxes.float(),  # [P, 4], also for a picture without anybody
        "labels": torch.ones(len(masks), dtype=torch.int64),
        "masks": masks.to(torch.uint8),
    }


def collate(samples: list[tuple]) -> tuple[list, list]:
    """Keep pictures apart: their sizes differ, so they cannot be stacked."""
    images, targets = zip(*samples)
    return list(images), list(targets)


def build_dataloader(data_dir: str | Path, train: bool, batch_size: int) -> DataLoader:
    """Return batches of two lists, pictures and targets; for training in a new order."""
    dataset = PedestrianDataset(data_dir, train)
    return DataLoader(dataset, batch_size=batch_size, shuffle=train, collate_fn=collate)


# --8<-- [end:dataset]


def sample_inputs(data_dir: str | Path, count: int) -> list[torch.Tensor]:
    """Return the raw pixels [3, H, W] of the first test pictures, as `Predictor` takes them."""
    folder = Path(data_dir) / "PennFudanPed"
    return [read_picture(folder, name)[0] for name in find_names(folder)[:count]]


# --8<-- [start:evaluation]
class PooledEvaluation:
    """Collect what a model finds and what there is; every picture gets its own number."""

    def __init__(self):
        self.pictures: list[dict] = []
        self.truth: list[dict] = []
        self.found: list[dict] = []

    def add(
        self, target: dict[str, torch.Tensor], output: dict[str, torch.Tensor]
    ) -> None:
        """Add one picture: its pedestrians and the model's D detections."""
        picture = len(self.pictures) + 1
        height, width = target["masks"].shape[-2:]
        self.pictures.append({"id": picture, "height": height, "width": width})
        for entry in entries(picture, target["boxes"], target["labels"], target["masks"]):
            self.truth.append({**entry, "id": len(self.truth) + 1, "iscrowd": 0})
        masks = output["masks"][:, 0] > 0.5  # [D, H, W]
        found = entries(picture, output["boxes"], output["labels"], masks)
        for entry, score in zip(found, output["scores"].tolist()):
            self.found.append({**entry, "score": score})

    def comparison(self, kind: str) -> Any:
        """Return COCO's evaluation of boxes (`bbox`) or masks (`segm`), not yet run."""
        from pycocotools.coco import COCO  # here, because only the aggregator needs it
        from pycocotools.cocoeval import COCOeval

        truth, found = COCO(), COCO()
        truth.dataset = {"images": self.pictures, "annotations": self.truth}
        truth.dataset |= {"categories": [{"id": 1}], "info": {}}
        truth.createIndex()
        if self.found:
            found = truth.loadRes([dict(entry) for entry in self.found])
        return COCOeval(truth, found, kind)

    def average_precision(self) -> dict[str, float]:
        """Return AP (mean over IoU 0.50 to 0.95) and AP50 of boxes and of masks."""
        result: dict[str, float] = {}
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
            for name, kind in (("box", "bbox"), ("mask", "segm")):
                evaluation = self.comparison(kind)
                evaluation.evaluate()
                evaluation.accumulate()
                evaluation.summarize()
                ap, ap50 = map(float, evaluation.stats[:2])
                result |= {f"{name}_ap50": ap50, f"{name}_ap": ap}
        return result


def entries(
    picture: int, boxes: torch.Tensor, labels: torch.Tensor, masks: torch.Tensor
) -> list[dict]:
    """Return what COCO writes: boxes as x, y, width, height, masks by run lengths."""
    from pycocotools import mask as rle

    corners = boxes.cpu().double()
    sizes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).tolist()
    layers = masks.cpu().numpy().astype(np.uint8).transpose(1, 2, 0)  # [H, W, P]
    codes = rle.encode(np.asfortranarray(layers))  # column by column
    return [
        {
            "image_id": picture,
            "category_id": label,
            "bbox": size,
            "area": float(rle.area(code)),
            "segmentation": code,
        }
        for size, label, code in zip(sizes, labels.tolist(), codes)
    ]


# --8<-- [end:evaluation]
