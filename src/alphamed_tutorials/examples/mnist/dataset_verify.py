"""Check that a node's digits can be read and trained on. AlphaMed takes this file under the name `DatasetVerify.py`."""

# --8<-- [start:imports]
import gzip
import logging
import math
import zlib
from pathlib import Path

import torch
from alphafed.scheduler import DataChecker

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
CLASSES = 10
PREFIXES = {
    "train": "train",
    "test": "t10k",
}  # the names of MNIST's test files begin with t10k


class DataError(ValueError):
    """Say which file is wrong, why, and what to do: one line for each problem."""


def data_error(path: Path, reason: str, advice: str) -> DataError:
    """Return the error that reports one problem."""
    return DataError(f"{path}: {reason}. {advice}")


def unpack(path: Path, content: bytes) -> bytes:
    """Return the data a file holds, packed or not."""
    reason = ""
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except EOFError:
        reason = "the archive is cut off (文件不完整)"
    except (gzip.BadGzipFile, zlib.error):
        reason = "is no sound gzip archive (压缩包已损坏)"
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise data_error(
            path,
            "is a web page, not data (是网页，不是数据)",
            "Download it again (请重新下载)",
        )
    if reason:
        raise data_error(path, reason, "Copy it again (请重新拷贝)")
    return content


def find_content(folder: Path, name: str) -> tuple[Path, bytes]:
    """Return where a file lies and the data it holds."""
    for path in (folder / name, folder / f"{name}.gz"):
        try:
            return path, unpack(path, path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:  # no permission, a folder of that name, a broken disk
            reason = f"cannot be read: {error.strerror} (无法读取)"
            raise data_error(
                path, reason, "Give the training user access (请为训练用户开放权限)"
            ) from None
    if not folder.exists():
        raise data_error(
            folder,
            "the folder is missing (缺少文件夹)",
            "Copy MNIST's files there (请拷入 MNIST 文件)",
        )
    raise data_error(
        path, "the file is missing (缺少文件)", "Copy it there (请拷贝到此处)"
    )


def read_checked(
    folder: Path, name: str, item_size: tuple[int, ...]
) -> tuple[Path, torch.Tensor]:
    """Return the path of a file in MNIST's own format and the bytes [N, *item_size] it holds."""
    path, content = find_content(folder, name)
    start = 8 + 4 * len(
        item_size
    )  # four bytes name the kind of file, then come four for N and four for each size
    kind = bytes(
        [0, 0, 8, 1 + len(item_size)]
    )  # 8: unsigned bytes; then how many sizes follow
    if len(content) < start:
        raise data_error(
            path,
            f"{len(content)} bytes are too few (文件过短)",
            "Copy it again (请重新拷贝)",
        )
    if content[:4] != kind:
        reason = f"starts with 0x{content[:4].hex()}, not 0x{kind.hex()} (文件头不对)"
        raise data_error(
            path, reason, "Put MNIST's file of this name there (请放入 MNIST 的同名文件)"
        )
    sizes = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if sizes[1:] != item_size:
        reason = f"images are {sizes[1:]}, not {item_size} (图像尺寸不对)"
        raise data_error(path, reason, "Scale them first (请先缩放图像)")
    if len(content) - start != math.prod(sizes):
        reason = f"{len(content) - start} bytes follow a header that says {math.prod(sizes)} (长度与文件头不符)"
        raise data_error(path, reason, "Copy it again (请重新拷贝)")
    if sizes[0] == 0:
        raise data_error(
            path, "holds no sample (没有样本)", "Give this node data (请为本节点准备数据)"
        )
    return path, torch.frombuffer(
        bytearray(content), dtype=torch.uint8, offset=start
    ).reshape(sizes)


def compare(
    images_path: Path, images: torch.Tensor, labels_path: Path, labels: torch.Tensor
) -> list[DataError]:
    """Convert all samples as training does; report what is wrong though each file alone is sound."""
    errors = []
    if len(images) != len(labels):
        reason = f"{len(labels)} labels for {len(images)} images (标签与图像数量不一致)"
        errors.append(
            data_error(
                labels_path,
                reason,
                "Copy both files from one place (请从同一来源拷贝两个文件)",
            )
        )
    if labels.max() >= CLASSES:
        reason = f"label {labels.max()} is not among 0 to {CLASSES - 1} (标签超出范围)"
        errors.append(
            data_error(
                labels_path,
                reason,
                "Use the labels of these images (请使用与图像配套的标签)",
            )
        )
    inputs = (batch.unsqueeze(1).float() / 255 for batch in images.split(1000))
    if blank := sum(
        int((batch.amax((1, 2, 3)) == 0).sum()) for batch in inputs
    ):  # zeros of a copy that broke off
        errors.append(
            data_error(
                images_path,
                f"{blank} images are blank (图像为空白)",
                "Copy it again (请重新拷贝)",
            )
        )
    return errors


def read_split(folder: Path, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images [N, 28, 28] and labels [N] of `MNIST/raw` that fit together, or raise with every problem found."""
    found, errors = [], []
    for name, item_size in (("images-idx3-ubyte", (28, 28)), ("labels-idx1-ubyte", ())):
        try:
            found.append(read_checked(folder, f"{PREFIXES[split]}-{name}", item_size))
        except DataError as error:
            errors.append(error)
    if not errors:
        errors = compare(*found[0], *found[1])
    if errors:
        raise DataError("\n".join(map(str, errors)))
    return found[0][1], found[1][1]


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
                images, labels = read_split(Path(self.data_dir) / "MNIST" / "raw", split)
                sound.append(
                    f"{len(images)} {split} images of {len(labels.unique())} classes are sound (数据可用)"
                )
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
