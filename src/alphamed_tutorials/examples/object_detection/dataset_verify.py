"""Check that a node's pictures can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import logging
import re
import struct
from collections.abc import Iterable
from pathlib import Path

import torch
from torchvision.io import decode_png

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK: it calls run() and knows no base class
    DataChecker = object

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
# Folder: a picture's file in it.
PLACES = {"PNGImages": "{}.png", "PedMasks": "{}_mask.png", "Annotation": "{}.txt"}
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
MOST_PIXELS = 100_000_000
MOST_BYTES = 100_000_000
MOST_LINES = 20  # of a refusal
MISSING_FOLDER = (
    "the folder is missing (缺少文件夹). Copy PennFudan's folder there (请拷入)"
)
MISSING_FILE = "the file is missing (缺少文件). Copy it there under this name (请以此文件名拷贝到此处)"
WEB_PAGE = "is a web page, not data (是网页，不是数据). Download it again (请重新下载)"
NO_PNG = (
    "is no PNG picture (不是 PNG 图片). "
    "Copy it again, or convert it (请重新拷贝或转换格式)"
)
CUT_OFF = "the picture is cut off (图片不完整). Copy it again (请重新拷贝)"
DAMAGED = "the picture is damaged (图片已损坏). Copy it again (请重新拷贝)"
CONVERT = "Convert it to RGB with 8 bits a colour (请转换成 8 位 RGB)"
KEEP_NUMBERS = (
    "Save the numbers of its pixels, not their colours, with numpy and PIL: "
    'Image.fromarray(np.array(Image.open(FILE)).astype("uint8")).save(FILE) '
    "(请保存像素的编号而不是颜色)"
)
ONE_NUMBER = (
    "Save one number a pixel, 0 for background and 1, 2, 3 … "
    "(请每个像素存一个编号：0 为背景，1、2、3……为行人)"
)
NOBODY = (
    "marks nobody (没有标出行人). "
    "Mark the pedestrians, or take the picture out (请标注或移除)"
)
NO_PICTURE = "holds no picture (没有图片). Give this node data (请为本节点准备数据)"
NO_COUNT = (
    "does not say how many objects there are (没有写明目标个数). "
    "Copy PennFudan's annotation there (请拷入 PennFudan 的标注)"
)
SAVE_AS_UTF8 = "is no UTF-8 text (不是 UTF-8 文本). Save it as UTF-8 (请另存为 UTF-8)"
OTHER_MASK = "Use the mask of this picture (请使用与图片配套的掩码)"
OTHER_ANNOTATION = "Use the annotation of this picture (请使用与图片配套的标注)"
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


def read_bytes(path: Path) -> bytes:
    """Return what a file holds, so far as it can be data."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise DataError(f"{path}: {MISSING_FILE}") from None
    except OSError as error:
        raise unreadable(path, error) from None
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path}: {WEB_PAGE}")
    if len(content) > MOST_BYTES:
        found = f"has more than {MOST_BYTES} bytes (文件过大)"
        raise DataError(f"{path}: {found}. {SMALLER}")
    return content


def read_png(path: Path, colour: int) -> torch.Tensor:
    """Return a picture [C, H, W] of eight bits and a colour type: 2 is RGB, 0 is grey."""
    content = read_bytes(path)
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 33:
        raise DataError(f"{path}: {NO_PNG}")
    depth, found = content[24], content[25]
    if (depth, found) != (8, colour):
        kind = f"has {depth} bits, {COLOURS.get(found, found)}"
        reason = f"{kind}, not 8 bits, {COLOURS[colour]} (位深或颜色模式不对)"
        advice = KEEP_NUMBERS if found in (0, 3) else ONE_NUMBER
        raise DataError(f"{path}: {reason}. {advice if colour == 0 else CONVERT}")
    width, height = struct.unpack_from(">II", content, 16)
    if width * height > MOST_PIXELS:
        reason = f"is {width}×{height}, too large (尺寸过大)"
        raise DataError(f"{path}: {reason}. {SMALLER}")
    if b"IEND\xaeB`\x82" not in content:  # some decoders fill up what is missing
        raise DataError(f"{path}: {CUT_OFF}")
    try:
        encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return decode_png(encoded, apply_exif_orientation=True)
    except RuntimeError:
        raise DataError(f"{path}: {DAMAGED}") from None


def read_mask(path: Path, size: torch.Size) -> torch.Tensor:
    """Return a mask [H, W]: 0 is background, 1 the first pedestrian, 2 the second …"""
    mask = read_png(path, 0)[0]
    if mask.shape != size:
        found = f"is {list(mask.shape)}, its picture {list(size)} (掩码与图片尺寸不一致)"
        raise DataError(f"{path}: {found}. {OTHER_MASK}")
    numbers = mask.unique().tolist()
    if numbers == [0]:
        raise DataError(f"{path}: {NOBODY}")
    if numbers != list(range(len(numbers))):
        found = f"holds the values {numbers}, not 0 for background and 1, 2, 3 …"
        advice = "Number the pedestrians anew (请重新编号)"
        raise DataError(f"{path}: {found} (掩码取值不连续). {advice}")
    for number in numbers[1:]:
        rows, columns = torch.nonzero(mask == number, as_tuple=True)
        if rows.min() == rows.max() or columns.min() == columns.max():
            found = f"pedestrian {number} is a line without any area"
            advice = "Mark that pedestrian anew (请重新标注)"
            raise DataError(f"{path}: {found} (第 {number} 个行人没有面积). {advice}")
    return mask


def read_picture(folder: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a picture [3, H, W] and its mask [H, W], upright, or say what is wrong."""
    picture = read_png(folder / "PNGImages" / f"{name}.png", 2)
    return picture, read_mask(folder / "PedMasks" / f"{name}_mask.png", picture.shape[1:])


def check_picture(folder: Path, name: str) -> int:
    """Read all that belongs to one picture; return how many pedestrians it shows."""
    count = int(read_picture(folder, name)[1].max())
    annotation = folder / "Annotation" / f"{name}.txt"
    try:
        text = read_bytes(annotation).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{annotation}: {SAVE_AS_UTF8}") from None
    said = re.search(r"Objects with ground truth : ([0-9]+)", text)
    if not said:
        raise DataError(f"{annotation}: {NO_COUNT}")
    if int(said[1]) != count:
        found = f"names {said[1]} pedestrians, the mask holds {count}"
        raise DataError(
            f"{annotation}: {found} (标注与掩码数量不一致). {OTHER_ANNOTATION}"
        )
    return count


def find_names(folder: Path) -> list[str]:
    """Return the names of all pictures, also where only mask or annotation is there."""
    names: set[str] = set()
    for place, pattern in PLACES.items():
        end = pattern.format("")
        try:
            files = [path.name for path in (folder / place).iterdir()]
        except FileNotFoundError:
            raise DataError(f"{folder / place}: {MISSING_FOLDER}") from None
        except OSError as error:
            raise unreadable(folder / place, error) from None
        files = [name for name in files if name[0] != "."]  # a system's: ._x.png
        names |= {name.removesuffix(end) for name in files if name.endswith(end)}
    if not names:
        raise DataError(f"{folder}: {NO_PICTURE}")
    return sorted(names)


def check_folder(folder: Path) -> dict[str, int]:
    """Return the number of pedestrians by picture, or raise with every problem."""
    counts, problems = {}, []
    for name in find_names(folder):
        try:
            counts[name] = check_picture(folder, name)
        except DataError as error:
            problems += [*error.args]
    if problems:
        raise DataError(*problems)
    return counts


def check_split(data_dir: Path, split: str) -> str:
    """Return what is sound about a node's one folder, or raise with every problem."""
    counts = check_folder(data_dir / "PennFudanPed")
    found = f"{len(counts)} {split} pictures of {sum(counts.values())} pedestrians"
    return f"{found} are sound (数据可用)"


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/object_detection"
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
        for split in self.required_splits:
            try:
                sound.append(check_split(Path(self.data_dir), split))
            except DataError as error:
                problems += [*error.args]
            except Exception as error:  # the owner of the data has to see that, too
                reason = f"{type(error).__name__}: {error} (意外错误)"
                problems.append(f"{reason}. Ask the task's author (请联系任务作者)")
        lines = shown(problems or sound)
        return not problems, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
