"""Check that a node's digits can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import gzip
import logging
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

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
MISSING_FOLDER = (
    "the folder is missing (缺少文件夹). Copy MNIST's files there (请拷入 MNIST 文件)"
)
MISSING_FILE = "the file is missing (缺少文件). Copy it there (请拷贝到此处)"
WEB_PAGE = "is a web page, not data (是网页，不是数据). Download it again (请重新下载)"
NO_SAMPLE = "holds no sample (没有样本). Give this node data (请为本节点准备数据)"
COPY_AGAIN = "Copy it again (请重新拷贝)"
COPY_BOTH = "Copy both files from one place (请从同一来源拷贝两个文件)"
OTHER_FILE = "Put MNIST's file of this name there (请放入 MNIST 的同名文件)"
OTHER_LABELS = "Use the labels of these images (请使用与图像配套的标签)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"


class DataError(ValueError):
    """Say which file is wrong, why, and what to do: one line for each problem."""


def read_bytes(folder: Path, name: str) -> tuple[Path, bytes]:
    """Return where a file lies, packed or not, and the data it holds."""
    for path in (folder / name, folder / f"{name}.gz"):
        try:
            return path, unpack(path, path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:  # no permission, a folder of that name, a broken disk
            reason = f"cannot be read: {error.strerror} (无法读取)"
            raise DataError(f"{path}: {reason}. {GIVE_ACCESS}") from None
    if not folder.exists():
        raise DataError(f"{folder}: {MISSING_FOLDER}")
    raise DataError(f"{path}: {MISSING_FILE}")


def unpack(path: Path, content: bytes) -> bytes:
    """Return the data a file holds."""
    reason = ""
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except EOFError:
        reason = "the archive is cut off (文件不完整)"
    except (gzip.BadGzipFile, zlib.error):
        reason = "is no sound gzip archive (压缩包已损坏)"
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise DataError(f"{path}: {WEB_PAGE}")
    if reason:
        raise DataError(f"{path}: {reason}. {COPY_AGAIN}")
    return content


def read_idx(
    folder: Path, name: str, item_size: tuple[int, ...]
) -> tuple[Path, torch.Tensor]:
    """Return where a file lies and the bytes [N, *item_size] that it holds."""
    path, content = read_bytes(folder, name)
    # Four bytes name the kind of file, then come four for N and four for each size.
    start = 8 + 4 * len(item_size)
    kind = bytes([0, 0, 8, 1 + len(item_size)])  # 8: unsigned bytes; how many sizes
    sizes = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if len(content) < start:
        problem = f"{len(content)} bytes are too few (文件过短). {COPY_AGAIN}"
    elif content[:4] != kind:
        found = f"starts with 0x{content[:4].hex()}, not 0x{kind.hex()}"
        problem = f"{found} (文件头不对). {OTHER_FILE}"
    elif sizes[1:] != item_size:
        found = f"images are {sizes[1:]}, not {item_size}"
        problem = f"{found} (图像尺寸不对). Scale them first (请先缩放图像)"
    elif (left := len(content) - start) != math.prod(sizes):
        found = f"{left} bytes follow a header that says {math.prod(sizes)}"
        problem = f"{found} (长度与文件头不符). {COPY_AGAIN}"
    elif sizes[0] == 0:
        problem = NO_SAMPLE
    else:
        pixels = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start)
        return path, pixels.reshape(sizes)
    raise DataError(f"{path}: {problem}")


def find_problems(
    images_path: Path, images: torch.Tensor, labels_path: Path, labels: torch.Tensor
) -> Iterator[str]:
    """Convert samples as training does; yield what is wrong though each file is sound."""
    if len(images) != len(labels):
        found = f"{len(labels)} labels for {len(images)} images"
        yield f"{labels_path}: {found} (标签与图像数量不一致). {COPY_BOTH}"
    if labels.max() >= CLASSES:
        found = f"label {labels.max()} is not among 0 to {CLASSES - 1}"
        yield f"{labels_path}: {found} (标签超出范围). {OTHER_LABELS}"
    inputs = (batch.unsqueeze(1).float() / 255 for batch in images.split(1000))
    # Zeros of a copy that broke off.
    if blank := sum(int((batch.amax((1, 2, 3)) == 0).sum()) for batch in inputs):
        yield f"{images_path}: {blank} images are blank (图像为空白). {COPY_AGAIN}"


def read_split(folder: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images [N, 28, 28] and their labels [N], or raise with every problem."""
    found: list = []  # where the images lie, they themselves, then the labels
    problems: list[str] = []
    for name, item_size in (("images-idx3-ubyte", (28, 28)), ("labels-idx1-ubyte", ())):
        try:
            found += read_idx(folder, f"{PREFIXES[split]}-{name}", item_size)
        except DataError as error:
            problems.append(str(error))
    if problems := problems or list(find_problems(*found)):
        raise DataError("\n".join(problems))
    return found[1], found[3]


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
                problems += str(error).splitlines()
            except Exception as error:  # the owner of the data has to see that, too
                reason = f"{type(error).__name__}: {error} (意外错误)"
                problems.append(f"{reason}. Ask the task's author (请联系任务作者)")
        lines = dict.fromkeys(problems or sound)
        return not problems, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
