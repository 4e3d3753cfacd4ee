"""Check that a node's digits can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import gzip
import logging
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import torch

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK: it calls run() and knows no base class
    DataChecker = object

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
CLASSES = 10
PREFIXES = {"train": "train", "test": "t10k"}  # of the names of MNIST's files
MOST_SAMPLES = 1_000_000  # in a file; the largest set of this kind, EMNIST, has 814,255
MOST_LINES = 20  # of a refusal
MISSING_FOLDER = (
    "the folder is missing (缺少文件夹). Copy MNIST's files there (请拷入 MNIST 文件)"
)
MISSING_FILE = "the file is missing (缺少文件). Copy it there under this name (请以此文件名拷贝到此处)"
WEB_PAGE = "is a web page, not data (是网页，不是数据). Download it again (请重新下载)"
NO_SAMPLE = "holds no sample (没有样本). Give this node data (请为本节点准备数据)"
COPY_AGAIN = "Copy it again (请重新拷贝)"
COPY_BOTH = "Copy both files from one place (请从同一来源拷贝两个文件)"
OTHER_FILE = "Put MNIST's file of this name there (请放入 MNIST 的同名文件)"
OTHER_LABELS = "Use the labels of these images (请使用与图像配套的标签)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"
IN_THE_WAY = "Move away what lies there, and put the data in its place (请移走占位的内容并放入数据)"
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


def find_file(folder: Path, name: str) -> Path:
    """Return where a file lies: packed or not, and as 7-Zip names what it unpacks."""
    there = []
    for each in (name, name.replace("-idx", ".idx")):
        for path in (folder / each, folder / f"{each}.gz"):
            try:
                path.stat()
                there.append(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise unreadable(path, error) from None
    if not folder.exists():
        raise DataError(f"{folder}: {MISSING_FOLDER}")
    if not there:
        raise DataError(f"{folder / name}.gz: {MISSING_FILE}")
    return next(filter(Path.is_file, there), there[0])


def read_idx(folder: Path, name: str) -> torch.Tensor:
    """Read one file of MNIST's own format, whether it is packed or not.

    Args:
        folder: The folder `MNIST/raw`.
        name: The file's name without `.gz`.

    Returns:
        Bytes as they lie in the file: [N, 28, 28] for images, [N] for labels.

    Raises:
        DataError: The file is missing, damaged or another one.
    """
    path = find_file(folder, name)
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"  # its name may say something else
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if is_packed else file
            return parse_idx(path, stream, (28, 28) if "images" in name else ())
    except EOFError:
        problem = "the archive is cut off (文件不完整)"
    except (gzip.BadGzipFile, zlib.error):
        problem = "is no sound gzip archive (压缩包已损坏)"
    except OSError as error:
        raise unreadable(path, error) from None
    raise DataError(f"{path}: {problem}. {COPY_AGAIN}")


def parse_idx(
    path: Path, stream: IO[bytes] | gzip.GzipFile, item_size: tuple[int, ...]
) -> torch.Tensor:
    """Return the bytes [N, *item_size] of a file; no more of it is read than that."""
    # Four bytes name the kind of file, then come four for N and four for each size.
    start = 8 + 4 * len(item_size)
    kind = bytes([0, 0, 8, 1 + len(item_size)])  # 8: unsigned bytes; how many sizes
    begin = stream.read(99)
    sizes = tuple(int.from_bytes(begin[i : i + 4], "big") for i in range(4, start, 4))
    count = math.prod(sizes)
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path}: {WEB_PAGE}")
    if len(begin) < start:
        problem = f"{len(begin)} bytes are too few (文件过短). {COPY_AGAIN}"
    elif begin[:4] != kind:
        found = f"starts with 0x{begin[:4].hex()}, not 0x{kind.hex()}"
        problem = f"{found} (文件头不对). {OTHER_FILE}"
    elif sizes[1:] != item_size:
        found = f"images are {sizes[1:]}, not {item_size}"
        problem = f"{found} (图像尺寸不对). Scale them first (请先缩放图像)"
    elif sizes[0] > MOST_SAMPLES:
        found = f"the header says {sizes[0]} samples, {MOST_SAMPLES} is the most"
        problem = f"{found} (样本数过多). {OTHER_FILE}"
    elif sizes[0] == 0:
        problem = NO_SAMPLE
    else:
        content = begin[start:] + stream.read(count + 1 - len(begin[start:]))
        if len(content) == count:
            pixels = torch.frombuffer(bytearray(content), dtype=torch.uint8)
            return pixels.reshape(sizes)
        left = len(content) if len(content) < count else f"more than {count}"
        found = f"{left} bytes follow a header that says {count}"
        problem = f"{found} (长度与文件头不符). {COPY_AGAIN}"
    raise DataError(f"{path}: {problem}")


def find_problems(
    folder: Path, prefix: str, images: torch.Tensor, labels: torch.Tensor
) -> Iterator[str]:
    """Yield what is wrong with a split though each of its files is sound."""
    images_path = find_file(folder, f"{prefix}-images-idx3-ubyte")
    labels_path = find_file(folder, f"{prefix}-labels-idx1-ubyte")
    if len(images) != len(labels):
        found = f"{len(labels)} labels for {len(images)} images"
        yield f"{labels_path}: {found} (标签与图像数量不一致). {COPY_BOTH}"
    if labels.max() >= CLASSES:
        found = f"label {labels.max()} is not among 0 to {CLASSES - 1}"
        yield f"{labels_path}: {found} (标签超出范围). {OTHER_LABELS}"
    # Zeros of a copy that broke off.
    if blank := int((images.amax((1, 2)) == 0).sum()):
        yield f"{images_path}: {blank} images are blank (图像为空白). {COPY_AGAIN}"


def read_split(folder: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images [N, 28, 28] and their labels [N], or raise with every problem."""
    found: list[torch.Tensor] = []
    problems: list[str] = []
    for name in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        try:
            found.append(read_idx(folder, f"{PREFIXES[split]}-{name}"))
        except DataError as error:
            problems += [*error.args]
    problems = problems or list(find_problems(folder, PREFIXES[split], *found))
    if problems:
        raise DataError(*problems)
    return found[0], found[1]


def check_split(data_dir: Path, split: str) -> str:
    """Return what is sound about a split, or raise with every problem."""
    images, labels = read_split(data_dir / "MNIST" / "raw", split)
    classes = len(labels.unique())
    return f"{len(images)} {split} images of {classes} classes are sound (数据可用)"


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/mnist"
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
