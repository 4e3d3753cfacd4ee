"""Check that a node's pictures can be read and trained on. AlphaMed takes this file under the name `DatasetVerify.py`."""

# --8<-- [start:imports]
import hashlib
import logging
from pathlib import Path

import torch
from alphafed.scheduler import DataChecker
from torchvision.io import ImageReadMode, decode_image

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
CLASSES = ("ants", "bees")
FOLDERS = {
    "train": "train",
    "test": "val",
}  # the official set calls its test pictures val
SUFFIXES = (".jpg", ".jpeg", ".png")  # other files are skipped, as training does
LEAST_SIDE = 32  # pixels; a smaller picture shows nothing at 224


class DataError(ValueError):
    """Say which file is wrong, why, and what to do: one line for each problem."""


def data_error(path: Path, reason: str, advice: str) -> DataError:
    """Return the error that reports one problem."""
    return DataError(f"{path}: {reason}. {advice}")


def decode(path: Path, content: bytes) -> torch.Tensor:
    """Return the pixels [C, H, W] of a picture's bytes, or say why there are none."""
    if not content:
        raise data_error(
            path, "the file is empty (文件为空)", "Copy it again (请重新拷贝)"
        )
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise data_error(
            path,
            "is a web page, not a picture (是网页，不是图片)",
            "Download it again (请重新下载)",
        )
    try:
        return decode_image(
            torch.frombuffer(bytearray(content), dtype=torch.uint8),
            ImageReadMode.UNCHANGED,
        )
    except RuntimeError as error:
        if "truncated" in str(error) or "Out of bound" in str(error):
            reason = "the picture is cut off (图片不完整)"
            raise data_error(path, reason, "Copy it again (请重新拷贝)") from None
        reason = (
            "is no JPEG or PNG picture that can be read (不是可读的 JPEG 或 PNG 图片)"
        )
        raise data_error(
            path, reason, "Convert or remove it (请转换格式或移除)"
        ) from None


def check_picture(path: Path) -> str:
    """Convert one picture as training does, or say why it will not do; return the SHA-256 of its file."""
    try:
        content = path.read_bytes()
    except OSError as error:  # no permission, a folder of that name, a broken disk
        reason = f"cannot be read: {error.strerror} (无法读取)"
        raise data_error(
            path, reason, "Give the training user access (请为训练用户开放权限)"
        ) from None
    pixels = decode(path, content)
    reason = ""
    if pixels.ndim != 3:
        reason = f"holds {len(pixels)} pictures (含有多帧)"
    elif pixels.dtype != torch.uint8:
        reason = (
            f"has {8 * pixels.element_size()} bits a colour, not 8 (每个颜色不是 8 位)"
        )
    elif pixels.shape[0] in (
        2,
        4,
    ):  # three colours, or one grey that stands for all three
        kind = "CMYK" if content.startswith(b"\xff\xd8") else "transparent"
        reason = f"is {kind}, not RGB (是 {pixels.shape[0]} 通道图片，不是 RGB)"
    if reason:
        raise data_error(path, reason, "Convert it to RGB (请转换成 RGB)")
    height, width = pixels.shape[1:]
    if min(height, width) < LEAST_SIDE:
        reason = f"is {width}×{height}, too small (尺寸过小)"
        raise data_error(
            path,
            reason,
            f"Remove it or take a larger one, {LEAST_SIDE} at least (请移除或换大图)",
        )
    return hashlib.sha256(content).hexdigest()


def list_pictures(folder: Path) -> list[tuple[Path, str]]:
    """Return every picture of a split with the name of its class, or raise with what is wrong with the folders."""
    try:
        found = sorted(
            path.name
            for path in folder.iterdir()
            if path.is_dir() and path.name[0] != "."
        )
        files = [
            (path, name)
            for name in CLASSES
            if name in found
            for path in sorted((folder / name).iterdir())
        ]
    except FileNotFoundError:
        raise data_error(
            folder,
            "the folder is missing (缺少文件夹)",
            "Copy the pictures there (请拷入图片)",
        ) from None
    except OSError as error:
        reason = f"cannot be read: {error.strerror} (无法读取)"
        raise data_error(
            Path(error.filename),
            reason,
            "Give the training user access (请为训练用户开放权限)",
        ) from None
    errors = []
    for name in sorted({*CLASSES, *found} - ({*CLASSES} & {*found})):
        reason, advice = (
            "is no class of this task (不是本任务的类别)",
            "Move the folder away (请移走此文件夹)",
        )
        if name in CLASSES:
            reason = "the class folder is missing (缺少类别文件夹)"
            advice = "Make it, and leave it empty if this node has none (请建立；本节点没有此类时留空)"
        errors.append(data_error(folder / name, reason, advice))
    pictures = [(path, name) for path, name in files if path.suffix.lower() in SUFFIXES]
    if not errors and not pictures:
        errors = [
            data_error(
                folder,
                "holds no picture (没有图片)",
                "Give this node data (请为本节点准备数据)",
            )
        ]
    if errors:
        raise DataError("\n".join(map(str, errors)))
    return pictures


def check_split(folder: Path, seen: dict[str, tuple[Path, str]]) -> dict[str, int]:
    """Return how many pictures of each class a split holds, or raise with every problem found.

    Args:
        folder: `train` or `val`.
        seen: Where pictures of known SHA-256 lie, and their class or split; this split's are added.
    """
    errors, counts = [], dict.fromkeys(CLASSES, 0)
    for path, name in list_pictures(folder):
        counts[name] += 1
        try:
            other, place = seen.setdefault(
                check_picture(path), (path, f"{folder.name}/{name}")
            )
        except DataError as error:
            errors.append(error)
            continue
        if place != f"{folder.name}/{name}":
            reason = f"is the same picture as {other} (与该图片相同)"
            errors.append(
                data_error(path, reason, "Keep it in one place only (只保留一处)")
            )
    if errors:
        raise DataError("\n".join(map(str, errors)))
    return counts


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/hymenoptera_data"
    required_splits = ("train",)  # of a data owner; the aggregator needs ("test",)

    def __init__(self, task_id: str, current_node: str):
        self.task_id = task_id
        self.current_node = current_node

    def run(self) -> bool:
        """Return whether this node can take part, and log why or why not."""
        ok, reason = self.verify_data()
        for line in reason.splitlines():
            logger.log(logging.INFO if ok else logging.ERROR, line)
        return ok

    def verify_data(self) -> tuple[bool, str]:
        """Return whether this node can take part, and why or why not."""
        sound, problems = [], []
        seen = {}  # by content, over all splits: a picture must not be in training and in the test
        for split in self.required_splits:
            try:
                counts = check_split(Path(self.data_dir) / FOLDERS[split], seen)
                numbers = ", ".join(f"{number} {name}" for name, number in counts.items())
                sound.append(f"the {split} pictures are sound: {numbers} (数据可用)")
            except DataError as error:
                problems += str(error).splitlines()
            except (
                Exception
            ) as error:  # whatever it is, the owner of the data has to see it
                problems.append(
                    f"{type(error).__name__}: {error} (意外错误). Ask the task's author (请联系任务作者)"
                )
        return not problems, "\n".join(
            f"{self.current_node}: {line}" for line in dict.fromkeys(problems or sound)
        )


# --8<-- [end:verify]
