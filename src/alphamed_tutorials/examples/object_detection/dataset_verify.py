"""Check that a node's pictures can be read and trained on. AlphaMed takes this file under the name `DatasetVerify.py`."""

# --8<-- [start:imports]
import logging
import re
from pathlib import Path

import torch
from alphafed.scheduler import DataChecker
from torchvision.io import decode_png

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
PLACES = {
    "PNGImages": "{}.png",
    "PedMasks": "{}_mask.png",
    "Annotation": "{}.txt",
}  # folder: a picture's file in it
COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


class DataError(ValueError):
    """Say which file is wrong, why, and what to do."""


def data_error(path: Path, reason: str, advice: str) -> DataError:
    """Return the error that reports one problem."""
    return DataError(f"{path}: {reason}. {advice}")


def read_bytes(path: Path) -> bytes:
    """Return what a file holds."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise data_error(
            path, "the file is missing (缺少文件)", "Copy it there (请拷贝到此处)"
        ) from None
    except OSError as error:  # no permission, a folder of that name, a broken disk
        reason = f"cannot be read: {error.strerror} (无法读取)"
        raise data_error(
            path, reason, "Give the training user access (请为训练用户开放权限)"
        ) from None
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise data_error(
            path,
            "is a web page, not data (是网页，不是数据)",
            "Download it again (请重新下载)",
        )
    return content


def read_png(path: Path, colour: int) -> torch.Tensor:
    """Return a picture [C, H, W] of eight bits and the colour type wanted: 2 is RGB, 0 is grey."""
    content = read_bytes(path)
    if content[:8] != b"\x89PNG\r\n\x1a\n" or len(content) < 33:
        raise data_error(
            path,
            "is no PNG picture (不是 PNG 图片)",
            "Copy it again, or convert it (请重新拷贝或转换格式)",
        )
    depth, found = content[24], content[25]
    if (depth, found) != (8, colour):
        reason = f"has {depth} bits, {COLOURS.get(found, found)}, not 8 bits, {COLOURS[colour]} (位深或颜色模式不对)"
        raise data_error(path, reason, "Convert it first (请先转换)")
    if (
        b"IEND" not in content[-12:]
    ):  # the last chunk: some decoders fill up what is missing
        raise data_error(
            path, "the picture is cut off (图片不完整)", "Copy it again (请重新拷贝)"
        )
    try:
        return decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    except RuntimeError:
        raise data_error(
            path, "the picture is damaged (图片已损坏)", "Copy it again (请重新拷贝)"
        ) from None


def read_mask(path: Path, size: torch.Size) -> int:
    """Return how many pedestrians a mask picture holds, after making boxes of them as training does."""
    mask = read_png(path, 0)[0]
    if mask.shape != size:
        reason = f"is {list(mask.shape)}, its picture {list(size)} (掩码与图片尺寸不一致)"
        raise data_error(
            path, reason, "Use the mask of this picture (请使用与图片配套的掩码)"
        )
    numbers = mask.unique().tolist()
    if numbers == [0]:
        raise data_error(
            path,
            "marks nobody (没有标出行人)",
            "Mark the pedestrians, or take the picture out (请标注或移除)",
        )
    if numbers != list(range(len(numbers))):
        reason = f"holds the values {numbers}, not 0 for background and 1, 2, 3 … (掩码取值不连续)"
        raise data_error(path, reason, "Number the pedestrians anew (请重新编号)")
    for number in numbers[1:]:
        rows, columns = torch.nonzero(mask == number, as_tuple=True)
        if rows.min() == rows.max() or columns.min() == columns.max():
            reason = f"pedestrian {number} is a line without any area (第 {number} 个行人没有面积)"
            raise data_error(path, reason, "Mark that pedestrian anew (请重新标注)")
    return len(numbers) - 1


def check_annotation(path: Path, count: int) -> None:
    """Compare an annotation file with the number of pedestrians in the mask."""
    found = re.search(rb"Objects with ground truth : (\d+)", read_bytes(path))
    if not found:
        reason = "does not say how many objects there are (没有写明目标个数)"
        raise data_error(
            path, reason, "Copy PennFudan's annotation there (请拷入 PennFudan 的标注)"
        )
    if int(found[1]) != count:
        reason = f"names {int(found[1])} pedestrians, the mask holds {count} (标注与掩码数量不一致)"
        raise data_error(
            path, reason, "Use the annotation of this picture (请使用与图片配套的标注)"
        )


def check_picture(folder: Path, name: str) -> int:
    """Read everything that belongs to one picture; return how many pedestrians it shows."""
    picture, mask, annotation = (
        folder / place / pattern.format(name) for place, pattern in PLACES.items()
    )
    count = read_mask(mask, read_png(picture, 2).shape[1:])
    check_annotation(annotation, count)
    return count


def find_names(folder: Path) -> list[str]:
    """Return the names of all pictures, also of those that only a mask or an annotation tells of."""
    names: set[str] = set()
    for place, pattern in PLACES.items():
        ending = pattern.format("")
        try:
            names |= {
                path.name.removesuffix(ending)
                for path in (folder / place).iterdir()
                if path.name.endswith(ending)
            }
        except FileNotFoundError:
            reason, advice = (
                "the folder is missing (缺少文件夹)",
                "Copy PennFudan's folder there (请拷入)",
            )
            raise data_error(folder / place, reason, advice) from None
        except OSError as error:  # no permission, a file of that name, a broken disk
            reason = f"cannot be read: {error.strerror} (无法读取)"
            raise data_error(
                folder / place,
                reason,
                "Give the training user access (请为训练用户开放权限)",
            ) from None
    if not names:
        raise data_error(
            folder,
            "holds no picture (没有图片)",
            "Give this node data (请为本节点准备数据)",
        )
    return sorted(names)


def check_folder(folder: Path) -> dict[str, int]:
    """Return the number of pedestrians by picture of `PennFudanPed`, or raise with every problem found."""
    counts, problems = {}, []
    for name in find_names(folder):
        try:
            counts[name] = check_picture(folder, name)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return counts


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/object_detection"
    required_splits = (
        "train",
    )  # a node has one folder: an owner's holds training pictures, the aggregator's test pictures

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
        try:
            counts = check_folder(Path(self.data_dir) / "PennFudanPed")
            split = " and ".join(self.required_splits)
            ok, lines = (
                True,
                [
                    f"{len(counts)} {split} pictures of {sum(counts.values())} pedestrians are sound (数据可用)"
                ],
            )
        except DataError as error:
            ok, lines = False, str(error).splitlines()
        except Exception as error:  # whatever it is, the owner of the data has to see it
            ok, lines = (
                False,
                [
                    f"{type(error).__name__}: {error} (意外错误). Ask the task's author (请联系任务作者)"
                ],
            )
        return ok, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
