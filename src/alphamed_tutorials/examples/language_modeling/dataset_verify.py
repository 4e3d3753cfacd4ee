"""Check that a node's text can be read and trained on. AlphaMed takes this file under the name `DatasetVerify.py`."""

# --8<-- [start:imports]
import logging
import re
from collections import Counter
from pathlib import Path

import torch
from alphafed.scheduler import DataChecker

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
SPLITS = ("train", "valid", "test")
HEADING = re.compile(
    r" = [^=].*[^=] = "
)  # an article's title; sections have two or more signs on each side
LEAST_WORDS = 500
LONGEST_LINE = 20_000  # letters; WikiText-2's longest paragraph has 3,836
MOST_UNKNOWN = 0.3
MOST_REPEATED = 0.05
# One word in four of an English text is one of these, whatever it is about.
COMMON_WORDS = frozenset(
    [
        "the",
        "of",
        "and",
        "in",
        "to",
        "a",
        "was",
        "is",
        "for",
        "as",
        "on",
        "with",
        "that",
        "by",
        "at",
        "from",
        "his",
        "it",
        "an",
        "be",
        "are",
        "or",
        "not",
    ]
)
LEAST_COMMON = 0.1
SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"%PDF": "PDF",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}


class DataError(ValueError):
    """Say which file is wrong, why, and what to do: one line for each problem."""


def data_error(path: Path, reason: str, advice: str) -> DataError:
    """Return the error that reports one problem."""
    return DataError(f"{path}: {reason}. {advice}")


def read_bytes(path: Path) -> bytes:
    """Return what a file holds."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not path.parent.exists():
            reason = "the folder is missing (缺少文件夹)"
            raise data_error(
                path.parent, reason, "Copy the text files there (请拷入文本文件)"
            ) from None
        raise data_error(
            path, "the file is missing (缺少文件)", "Copy it there (请拷贝到此处)"
        ) from None
    except OSError as error:  # no permission, a folder of that name, a broken disk
        reason = f"cannot be read: {error.strerror} (无法读取)"
        raise data_error(
            path, reason, "Give the training user access (请为训练用户开放权限)"
        ) from None


def read_text(path: Path) -> str:
    """Return a file's text, if it is text."""
    content = read_bytes(path)
    if not content.strip():
        raise data_error(
            path, "holds no text (没有文本)", "Give this node data (请为本节点准备数据)"
        )
    if kind := next(
        (name for start, name in SIGNATURES.items() if content.startswith(start)), None
    ):
        raise data_error(
            path,
            f"is a {kind} file, not text (不是文本文件)",
            "Unpack it first (请先解压或转换)",
        )
    if (
        content[:99]
        .lstrip(b"\xef\xbb\xbf \t\r\n")
        .startswith((b"<!", b"<html", b"<HTML"))
    ):
        raise data_error(
            path,
            "is a web page, not data (是网页，不是数据)",
            "Download it again (请重新下载)",
        )
    if b"\0" in content:
        reason = f"holds a zero byte at {content.index(0)} (含有空字节)"
        raise data_error(
            path, reason, "Save it as UTF-8, or copy it again (请存为 UTF-8 或重新拷贝)"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        reason = f"is not UTF-8 in line {line}, byte {error.start} (不是 UTF-8 编码)"
        raise data_error(path, reason, "Save it as UTF-8 (请另存为 UTF-8)") from None


def paragraphs(text: str) -> list[str]:
    """Return the lines that are long enough to be unmistakable."""
    return [line.strip() for line in text.split("\n") if len(line) > 60]


def check_layout(path: Path, text: str) -> list[DataError]:
    """Report what keeps a text from being WikiText."""
    errors = []
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if lines[-1].strip():
        reason = f"breaks off in line {len(lines)} (文件不完整)"
        errors.append(data_error(path, reason, "Copy it again (请重新拷贝)"))
    if (longest := max(map(len, lines))) > LONGEST_LINE:
        reason = f"line {list(map(len, lines)).index(longest) + 1} has {longest} letters (行过长)"
        errors.append(
            data_error(
                path, reason, "Put each paragraph on a line of its own (请每段一行)"
            )
        )
    if not any(HEADING.fullmatch(line) for line in lines):
        reason = "has no title line such as ' = Title = ' (没有文章标题行)"
        errors.append(
            data_error(path, reason, "Use WikiText's layout (请使用 WikiText 的格式)")
        )
    return errors


def check_words(path: Path, text: str) -> list[DataError]:
    """Convert all words to a tensor as training does; report what cannot be learned from."""
    words = re.findall(r"[^\W\d_]+|<unk>", text.lower())
    if len(words) < LEAST_WORDS:
        reason = f"{len(words)} words are too few, {LEAST_WORDS} is the least (文本过短)"
        return [
            data_error(path, reason, "Give this node more text (请为本节点准备更多文本)")
        ]
    errors, indices = [], {}
    tensor = torch.tensor([indices.setdefault(word, len(indices)) for word in words])
    counts = Counter(words)
    unknown = (tensor == indices.get("<unk>", -1)).float().mean().item()
    if unknown > MOST_UNKNOWN:
        reason = f"{unknown:.0%} of the words are <unk> (未知词过多)"
        errors.append(data_error(path, reason, "Use the original text (请使用原始文本)"))
    common = sum(counts[word] for word in COMMON_WORDS) / max(
        len(words) - counts["<unk>"], 1
    )
    if common < LEAST_COMMON:
        reason = f"only {common:.0%} of the words are common English ones (不像英文文本)"
        errors.append(
            data_error(
                path,
                reason,
                "Use English text, as the vocabulary does (请使用与词表同语种的英文)",
            )
        )
    return errors


def check_repetition(path: Path, text: str, others: dict[Path, str]) -> list[DataError]:
    """Report paragraphs that stand in a text twice, or in another split too."""
    own, errors = paragraphs(text), []
    if (share := 1 - len(set(own)) / max(len(own), 1)) > MOST_REPEATED:
        reason = f"{share:.0%} of the paragraphs are repetitions (段落重复)"
        errors.append(data_error(path, reason, "Copy the text once (请只拷贝一份)"))
    for other, other_text in others.items():
        share = len(set(own) & set(paragraphs(other_text))) / max(len(set(own)), 1)
        if share > MOST_REPEATED:
            reason = (
                f"{share:.0%} of the paragraphs are in {other.name} too (与另一部分重复)"
            )
            errors.append(
                data_error(path, reason, "Keep the parts apart (请把各部分分开)")
            )
    return errors


def read_split(folder: Path, split: str) -> str:
    """Return the text of one part of WikiText, or raise with every problem found."""
    path = folder / f"wiki.{split}.tokens"
    text = read_text(path)
    present = [folder / f"wiki.{name}.tokens" for name in SPLITS if name != split]
    others = {other: read_text(other) for other in present if other.exists()}
    errors = (
        check_layout(path, text)
        + check_words(path, text)
        + check_repetition(path, text, others)
    )
    if errors:
        raise DataError("\n".join(map(str, errors)))
    return text


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/wikitext-2"
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
                text = read_split(Path(self.data_dir), split)
                sound.append(
                    f"{len(text.split())} words of {split} text are sound (数据可用)"
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
