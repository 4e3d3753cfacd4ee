"""Check that a node's pictures can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import hashlib
import logging
import struct
from collections.abc import Iterable, Iterator
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
# Other files are no pictures: the official set has a stray imageNotFound.gif.
SUFFIXES = (".jpg", ".jpeg", ".png")
SYSTEM_NAMES = ("__macosx", "@eadir", "desktop.ini", "icon\r", "thumbs.db")
LEAST_SIDE = 32  # pixels; a smaller picture shows nothing at 224
MOST_PIXELS = 100_000_000
MOST_BYTES = 100_000_000
MOST_LINES = 20  # of a refusal
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
CONVERT = "Convert it to RGB with 8 bits a colour (请转换成 8 位 RGB)"
LARGER = f"Remove it or take a larger one, {LEAST_SIDE} at least (请移除或换大图)"
SMALLER = "Scale it down, or remove it (请缩小或移除)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"
IN_THE_WAY = "Move away what lies there, and put the data in its place (请移走占位的内容并放入数据)"
COPY_AGAIN = "Copy it again (请重新拷贝)"
MEND_FIRST = "more problems (还有更多问题). Mend these first (请先处理以上问题)"


class DataError(ValueError):
    """Say which files are wrong, why, and what to do: one argument for each problem."""

    def __str__(self) -> str:
        return "\n".join(shown(self.args))


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for no permission, a folder for a file or a broken disk."""
    reason = f"cannot be read: {error.strerror} (无法读取)"
    if isinstance(error, PermissionError):
        return DataError(f"{path}: {reason}. {GIVE_ACCESS}")
    is_other = isinstance(error, IsADirectoryError | NotADirectoryError)
    return DataError(f"{path}: {reason}. {IN_THE_WAY if is_other else COPY_AGAIN}")


def shown(problems: Iterable[str]) -> list[str]:
    """Return each line once, no flood of them, and nothing that steers a terminal."""
    lines = list(dict.fromkeys(problems))
    if (more := len(lines) - MOST_LINES) > 0:
        lines[MOST_LINES:] = [f"{more} {MEND_FIRST}"]
    return [
        "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line)
        for line in lines
    ]


def is_system_name(name: str) -> bool:
    """Return whether a file or folder is the system's: `.DS_Store`, `._x.jpg`, `Thumbs.db` …"""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, if that may be a picture."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    if not content:
        raise DataError(f"{path}: {EMPTY}")
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path}: {WEB_PAGE}")
    if not content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise DataError(f"{path}: {OTHER_FORMAT}")
    width, height = announced_size(content)
    if len(content) > MOST_BYTES or width * height > MOST_PIXELS:
        found = f"is {width}×{height}, too large (尺寸过大)"
        raise DataError(f"{path}: {found}. {SMALLER}")
    return content


def announced_size(content: bytes) -> tuple[int, int]:
    """Return width and height as the head of a JPEG or PNG says, before it takes memory."""
    if content.startswith(b"\x89PNG"):
        return struct.unpack(">II", content[16:24].ljust(8, b"\0"))
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        kind, size = struct.unpack_from(">BH", content, place + 1)
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a frame's head
            height, width = struct.unpack_from(">HH", content, place + 5)
            return width, height
        place += 1 if kind == 0xFF else 2 + size
    return 0, 0


def decode(path: Path, content: bytes) -> torch.Tensor:
    """Return the pixels [C, H, W] of a picture's bytes, upright, or say why there are none."""
    # Few greys or colours of its own: as they look, not as they are numbered.
    is_small = content[:1] == b"\x89" and (
        content[24:25] < b"\x08" or content[25:26] == b"\x03"
    )
    mode = ImageReadMode.RGB if is_small else ImageReadMode.UNCHANGED
    try:
        encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return decode_image(encoded, mode, apply_exif_orientation=True)
    except RuntimeError as error:
        is_cut = "truncated" in str(error) or "Out of bound" in str(error)
        raise DataError(f"{path}: {CUT_OFF if is_cut else OTHER_FORMAT}") from None


def read_picture(path: Path) -> torch.Tensor:
    """Return the pixels [3, H, W] of a picture, 0–255, turned upright.

    Raises:
        DataError: It is damaged, or another kind of picture.
    """
    content = read_bytes(path)
    pixels = decode(path, content)
    channels, height, width = pixels.shape
    problem = ""
    if pixels.dtype != torch.uint8:
        found = f"has {8 * pixels.element_size()} bits a colour, not 8"
        problem = f"{found} (每个颜色不是 8 位). {CONVERT}"
    elif channels in (2, 4):  # not three colours, nor one grey for all
        kind = "CMYK" if content.startswith(b"\xff\xd8") else "transparent"
        problem = f"is {kind}, not RGB (是 {channels} 通道图片，不是 RGB). {CONVERT}"
    elif min(height, width) < LEAST_SIDE:
        problem = f"is {width}×{height}, too small (尺寸过小). {LARGER}"
    if problem:
        raise DataError(f"{path}: {problem}")
    return pixels.expand(3, height, width)


def list_pictures(folder: Path) -> list[Path]:
    """Return every picture of a split, class by class, or raise with what is missing."""
    try:
        found = {path.name for path in folder.iterdir() if path.is_dir()}
        known = [name for name in CLASSES if name in found]
        files = [path for name in known for path in sorted((folder / name).iterdir())]
    except FileNotFoundError:
        raise DataError(f"{folder}: {MISSING_FOLDER}") from None
    except OSError as error:
        raise unreadable(Path(error.filename), error) from None
    missing = [name for name in CLASSES if name not in found]
    problems = [f"{folder / name}: {MISSING_CLASS}" for name in missing]
    files = [path for path in files if not is_system_name(path.name)]
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not problems and not pictures:
        problems = [f"{folder}: {NO_PICTURE}"]
    if problems:
        raise DataError(*problems)
    return pictures


def find_other_folders(folder: Path) -> Iterator[str]:
    """Yield the folders that training leaves out: a class may be misspelt."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in CLASSES and not is_system_name(path.name):
            yield f"{path}: {NO_CLASS}"


def check_split(data_dir: Path, split: str, seen: dict[str, Path]) -> str:
    """Return what is sound about a split, or raise with every problem.

    Args:
        data_dir: The folder that holds `train` and `val`.
        split: `train` or `test`.
        seen: Where pictures of known SHA-256 lie; this split's are added.
    """
    folder, counts = data_dir / FOLDERS[split], dict.fromkeys(CLASSES, 0)
    try:
        pictures = list_pictures(folder)
    except DataError as error:
        others = find_other_folders(folder) if MISSING_CLASS in str(error) else ()
        raise DataError(*others, *error.args) from None
    problems = list(find_other_folders(folder))
    for path in pictures:
        counts[path.parent.name] += 1
        try:
            read_picture(path)
            key = hashlib.sha256(read_bytes(path)).hexdigest()
        except DataError as error:
            problems += [*error.args]
            continue
        other = seen.setdefault(key, path)
        if other.parent != path.parent:
            found = f"is the same picture as {other} (与该图片相同)"
            problems.append(f"{path}: {found}. Keep it in one place only (只保留一处)")
    if problems:
        raise DataError(*problems)
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
                problems += [*error.args]
            except Exception as error:  # the owner of the data has to see that, too
                reason = f"{type(error).__name__}: {error} (意外错误)"
                problems.append(f"{reason}. Ask the task's author (请联系任务作者)")
        lines = shown(problems or sound)
        return not problems, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
