"""Check that a node's text can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK: it calls run() and knows no base class
    DataChecker = object

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
SPLITS = ("train", "valid", "test")
# An article's title; a section's has two or more signs on each side.
HEADING = re.compile(r" = [^=].*[^=] = ")
LEAST_WORDS = 500
LONGEST_LINE = 20_000  # letters; WikiText-2's longest paragraph has 3,836
MOST_UNKNOWN = 0.3
MOST_REPEATED = 0.05
# One word in four of an English text is one of these, whatever it is about.
COMMON_WORDS = frozenset(
    "the of and in to a was is for as on with that by at from his it an be are or "
    "not".split()
)
LEAST_COMMON = 0.1
MOST_BYTES = (
    1 << 28
)  # of a file; WikiText-103's largest has twice that, WikiText-2's 11 MB
MOST_LINES = 20  # of a refusal
SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"%PDF": "PDF",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}
MISSING_FOLDER = (
    "the folder is missing (缺少文件夹). Copy the text files there (请拷入文本文件)"
)
MISSING_FILE = "the file is missing (缺少文件). Copy it there under this name (请以此文件名拷贝到此处)"
NO_TEXT = "holds no text (没有文本). Give this node data (请为本节点准备数据)"
WEB_PAGE = "is a web page, not data (是网页，不是数据). Download it again (请重新下载)"
NO_TITLE = (
    "has no title line such as ' = Title = ' (没有文章标题行). "
    "Use WikiText's layout (请使用 WikiText 的格式)"
)
SAVE_AGAIN = "Save it as UTF-8, or copy it again (请存为 UTF-8 或重新拷贝)"
ONE_LINE = "Put each paragraph on a line of its own (请每段一行)"
ENGLISH = "Use English text, as the vocabulary does (请使用与词表同语种的英文)"
FEWER = "Give this node a part of it (请只给本节点其中一部分)"
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
    """Return what a file holds."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        if not path.parent.exists():
            raise DataError(f"{path.parent}: {MISSING_FOLDER}") from None
        raise DataError(f"{path}: {MISSING_FILE}") from None
    except OSError as error:
        raise unreadable(path, error) from None
    if len(content) > MOST_BYTES:
        found = f"has more than {MOST_BYTES} bytes (文件过大)"
        raise DataError(f"{path}: {found}. {FEWER}")
    return content


def read_text(path: Path) -> str:
    """Return a file's text, if it is text."""
    content = read_bytes(path)
    begin = content[:99].lstrip(b"\xef\xbb\xbf \t\r\n")
    kinds = [name for start, name in SIGNATURES.items() if content.startswith(start)]
    if not content.strip():
        problem = NO_TEXT
    elif kinds:
        found = f"is a {kinds[0]} file, not text"
        problem = f"{found} (不是文本文件). Unpack it first (请先解压或转换)"
    elif begin.startswith((b"<!", b"<html", b"<HTML")):
        problem = WEB_PAGE
    elif b"\0" in content:
        problem = f"holds a zero byte at {content.index(0)} (含有空字节). {SAVE_AGAIN}"
    else:
        try:
            text = content.decode("utf-8-sig")
            return text.replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            found = f"is not UTF-8 in line {line}, byte {error.start}"
            problem = f"{found} (不是 UTF-8 编码). Save it as UTF-8 (请另存为 UTF-8)"
    raise DataError(f"{path}: {problem}")


def find_layout_problems(text: str) -> Iterator[str]:
    """Yield what keeps a text from being WikiText."""
    lines = text.split("\n")
    if lines[-1].strip():
        found = f"breaks off in line {len(lines)} (文件不完整)"
        yield f"{found}. Copy it again (请重新拷贝)"
    lengths = list(map(len, lines))
    if (longest := max(lengths)) > LONGEST_LINE:
        number = lengths.index(longest) + 1
        yield f"line {number} has {longest} letters (行过长). {ONE_LINE}"
    if not any(HEADING.fullmatch(line) for line in lines):
        yield NO_TITLE


def find_word_problems(text: str) -> Iterator[str]:
    """Convert all words as training does; yield what cannot be learned from."""
    words = re.findall(r"[^\W\d_]+|<unk>", text.lower())
    if len(words) < LEAST_WORDS:
        found = f"{len(words)} words are too few, {LEAST_WORDS} is the least (文本过短)"
        yield f"{found}. Give this node more text (请为本节点准备更多文本)"
        return
    counts = Counter(words)
    indices = {word: index for index, word in enumerate(counts)}
    tensor = torch.tensor([indices[word] for word in words])
    unknown = (tensor == indices.get("<unk>", -1)).float().mean().item()
    if unknown > MOST_UNKNOWN:
        found = f"{unknown:.0%} of the words are <unk> (未知词过多)"
        yield f"{found}. Use the original text (请使用原始文本)"
    known = max(len(words) - counts["<unk>"], 1)
    common = sum(counts[word] for word in COMMON_WORDS) / known
    if common < LEAST_COMMON:
        found = f"only {common:.0%} of the words are common English ones"
        yield f"{found} (不像英文文本). {ENGLISH}"


def find_repetitions(text: str, others: dict[Path, str]) -> Iterator[str]:
    """Yield that paragraphs stand in a text twice, or in another split too."""
    own = paragraphs(text)
    if (share := 1 - len(set(own)) / max(len(own), 1)) > MOST_REPEATED:
        found = f"{share:.0%} of the paragraphs are repetitions (段落重复)"
        yield f"{found}. Copy the text once (请只拷贝一份)"
    for other, other_text in others.items():
        both = set(own) & set(paragraphs(other_text))
        if (share := len(both) / max(len(set(own)), 1)) > MOST_REPEATED:
            found = f"{share:.0%} of the paragraphs are in {other.name} too"
            yield f"{found} (与另一部分重复). Keep the parts apart (请把各部分分开)"


def paragraphs(text: str) -> list[str]:
    """Return the lines that are long enough to be unmistakable."""
    return [line.strip() for line in text.split("\n") if len(line) > 60]


def read_split(folder: Path, split: str) -> str:
    """Return the text of one part of WikiText, or raise with every problem."""
    path = folder / f"wiki.{split}.tokens"
    text = read_text(path)
    present = [folder / f"wiki.{name}.tokens" for name in SPLITS if name != split]
    others = {other: read_text(other) for other in present if other.exists()}
    problems = [*find_layout_problems(text), *find_word_problems(text)]
    problems += find_repetitions(text, others)
    if problems:
        raise DataError(*(f"{path}: {problem}" for problem in problems))
    return text


def check_split(data_dir: Path, split: str) -> str:
    """Return what is sound about a split, or raise with every problem."""
    count = len(read_split(data_dir, split).split())
    return f"{count} words of {split} text are sound (数据可用)"


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
                sound.append(check_split(Path(self.data_dir), split))
            except DataError as error:
                problems += [*error.args]
            except Exception as error:  # the owner of the data has to see that, too
                reason = f"{type(error).__name__}: {error} (意外错误)"
                problems.append(f"{reason}. Ask the task's author (请联系任务作者)")
        lines = shown(problems or sound)
        return not problems, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
