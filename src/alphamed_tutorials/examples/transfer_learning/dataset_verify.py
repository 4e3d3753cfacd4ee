"""Check that a node's pictures can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import hashlib
import logging
from pathlib import Path

import torch
from torchvision.io import ImageReadMode, decode_image

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK: it calls run() and knows no base class
    DataChecker = object

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
MISSING_FOLDER = (
    "the folder is missing (缺少文件夹). Copy the pictures there (请拷入图片)"
)
MISSING_CLASS = (
    "the class folder is missing (缺少类别文件夹). "
    "Make it, and leave it empty if this node has none (请建立；本节点没有此类时留空)"
)
NO_CLASS = (
    "is no class of this task (不是本任务的类别). Move the folder away (请移走此文件夹)"
)
NO_PICTURE = "holds no picture (没有图片). Give this node data (请为本节点准备数据)"
EMPTY = "the file is empty (文件为空). Copy it again (请重新拷贝)"
WEB_PAGE = (
    "is a web page, not a picture (是网页，不是图片). Download it again (请重新下载)"
)
CUT_OFF = "the picture is cut off (图片不完整). Copy it again (请重新拷贝)"
OTHER_FORMAT = (
    "is no JPEG or PNG picture that can be read (不是可读的 JPEG 或 PNG 图片). "
    "Convert or remove it (请转换格式或移除)"
)
CONVERT = "Convert it to RGB (请转换成 RGB)"
LARGER = f"Remove it or take a larger one, {LEAST_SIDE} at least (请移除或换大图)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"


class DataError(ValueError):
    """Say which file is wrong, why, and what to do: one line for each problem."""


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for no permission, a folder for a file or a broken disk."""
    reason = f"cannot be read: {error.strerror} (无法读取)"
    return DataError(f"{path}: {reason}. {GIVE_ACCESS}")


def decode(path: Path, content: bytes) -> torch.Tensor:
    """Return the pixels [C, H, W] of a picture's bytes, or say why there are none."""
    if not content:
        raise DataError(f"{path}: {EMPTY}")
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path}: {WEB_PAGE}")
    try:
        pixels = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return decode_image(pixels, ImageReadMode.UNCHANGED)
    except RuntimeError as error:
        is_cut = "truncated" in str(error) or "Out of bound" in str(error)
        raise DataError(f"{path}: {CUT_OFF if is_cut else OTHER_FORMAT}") from None


def check_picture(path: Path) -> str:
    """Convert a picture as training does, or say what is wrong; return its SHA-256."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    pixels = decode(path, content)
    problem = ""
    if pixels.ndim != 3:
        problem = f"holds {len(pixels)} pictures (含有多帧). {CONVERT}"
    elif pixels.dtype != torch.uint8:
        found = f"has {8 * pixels.element_size()} bits a colour, not 8"
        problem = f"{found} (每个颜色不是 8 位). {CONVERT}"
    elif (channels := len(pixels)) in (2, 4):  # not three colours, nor one grey for all
        kind = "CMYK" if content.startswith(b"\xff\xd8") else "transparent"
        problem = f"is {kind}, not RGB (是 {channels} 通道图片，不是 RGB). {CONVERT}"
    elif min(pixels.shape[1:]) < LEAST_SIDE:
        height, width = pixels.shape[1:]
        problem = f"is {width}×{height}, too small (尺寸过小). {LARGER}"
    if problem:
        raise DataError(f"{path}: {problem}")
    return hashlib.sha256(content).hexdigest()


def list_pictures(folder: Path) -> list[Path]:
    """Return every picture of a split, or raise with what is wrong with the folders."""
    try:
        folders = [path for path in folder.iterdir() if path.is_dir()]
        found = {path.name for path in folders if path.name[0] != "."}
        known = [name for name in CLASSES if name in found]
        files = [path for name in known for path in sorted((folder / name).iterdir())]
    except FileNotFoundError:
        raise DataError(f"{folder}: {MISSING_FOLDER}") from None
    except OSError as error:
        raise unreadable(Path(error.filename), error) from None
    problems = [
        f"{folder / name}: {MISSING_CLASS if name in CLASSES else NO_CLASS}"
        for name in sorted(found.symmetric_difference(CLASSES))
    ]
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not problems and not pictures:
        problems = [f"{folder}: {NO_PICTURE}"]
    if problems:
        raise DataError("\n".join(problems))
    return pictures


def check_split(data_dir: Path, split: str, seen: dict[str, Path]) -> str:
    """Return what is sound about a split, or raise with every problem.

    Args:
        data_dir: The folder that holds `train` and `val`.
        split: `train` or `test`.
        seen: Where pictures of known SHA-256 lie; this split's are added.
    """
    problems, counts = [], dict.fromkeys(CLASSES, 0)
    for path in list_pictures(data_dir / FOLDERS[split]):
        counts[path.parent.name] += 1
        try:
            other = seen.setdefault(check_picture(path), path)
        except DataError as error:
            problems.append(str(error))
            continue
        if other.parent != path.parent:
            found = f"is the same picture as {other} (与该图片相同)"
            problems.append(f"{path}: {found}. Keep it in one place only (只保留一处)")
    if problems:
        raise DataError("\n".join(problems))
    numbers = ", ".join(f"{number} {name}" for name, number in counts.items())
    return f"the {split} pictures are sound: {numbers} (数据可用)"


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
        seen: dict[
            str, Path
        ] = {}  # over all splits: no picture in training and in the test
        for split in self.required_splits:
            try:
                sound.append(check_split(Path(self.data_dir), split, seen))
            except DataError as error:
                problems += str(error).splitlines()
            except Exception as error:  # the owner of the data has to see that, too
                reason = f"{type(error).__name__}: {error} (意外错误)"
                problems.append(f"{reason}. Ask the task's author (请联系任务作者)")
        lines = dict.fromkeys(problems or sound)
        return not problems, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
