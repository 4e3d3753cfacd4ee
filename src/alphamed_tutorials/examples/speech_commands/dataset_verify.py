"""Check that a node's clips can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import logging
import re
import struct
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
# As in model.py: this file travels alone.
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
# What else lies in the official archives; training does not look at it.
OTHERS = frozenset(
    "_background_noise_ _silence_ _unknown_ backward bed bird cat dog eight five follow "
    "forward four happy house learn marvin nine one seven sheila six three tree two "
    "visual wow zero".split()
)
SYSTEM_NAMES = ("__macosx", "@eadir", "desktop.ini", "icon\r", "thumbs.db")
RATE = 16000
NAME = re.compile(r"[0-9a-f]{8}_nohash_[0-9]{1,9}\.wav")  # SPEAKER_nohash_N.wav
TEST_LIST = "testing_list.txt"
UNKNOWN_SIZE = 0x7FFF0000  # and more: what programs write that do not know the size yet
MOST_BYTES = 1 << 20  # of a clip; a second has 32 kB, what is said about it may have more
MOST_LINES = 20  # of a refusal
MISSING_FOLDER = "the folder is missing (缺少文件夹). Copy the data there (请拷入数据)"
MISSING_WORD = (
    "the word's folder is missing (缺少该词的文件夹). "
    "Copy it, or make an empty one if this node has no such clip (请拷入；本节点没有该词时建一个空文件夹)"
)
WEB_PAGE = "is a web page, not sound (是网页，不是声音). Download it again (请重新下载)"
WRONG_NAME = (
    "the name is not SPEAKER_nohash_N.wav (文件名格式不对). "
    "Rename it, or move it away (请改名或移走)"
)
COPY_AGAIN = "Copy it again (请重新拷贝)"
REPLACE = "Delete or replace it (请删除或更换)"
CONVERT = "Convert it to 16000 Hz, one channel, 16 bits (请转换为 16000 Hz 单声道 16 位)"
CUT_OUT = "Cut out the word (请截取单词部分)"
MOVE_AWAY = "Correct its name, or move it away (请改正名称或移走)"
ONE_SIDE = "Keep all clips of a speaker on one side (同一说话人的录音只放一边)"
SAVE_AS_UTF8 = "Save it as UTF-8 (请另存为 UTF-8)"
WRITE_NAME = "Write WORD/SPEAKER_nohash_N.wav (请写成 单词/文件名)"
MEND_FIRST = "more problems (还有更多问题). Mend these first (请先处理以上问题)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"
IN_THE_WAY = "Move away what lies there, and put the data in its place (请移走占位的内容并放入数据)"


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
    """Return whether a file or folder is the system's: `.DS_Store`, `._x.wav`, `Thumbs.db` …"""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def find_test_clip(folder: Path, line: str) -> Path | None:
    """Return the clip that a line of the list names; None for a word of no interest.

    Args:
        folder: A node's data folder.
        line: `yes/x.wav`, also with back-slashes, below other folders, or without the word.
    """
    *folders, name = line.strip("\"'").replace("\\", "/").split("/")
    words = folders[-1:]
    if words and words[0] in OTHERS:
        return None
    if not words and NAME.fullmatch(name):
        words = [word for word in WORDS if (folder / word / name).exists()]
    if len(words) != 1 or words[0] not in WORDS or not NAME.fullmatch(name):
        found = f'the line "{line}" names no clip, or more than one'
        raise DataError(f"{folder / TEST_LIST}: {found} (不明白这一行). {WRITE_NAME}")
    if not (clip := folder / words[0] / name).exists():
        found = f"names {words[0]}/{name}, which is missing (所列文件不存在)"
        raise DataError(f"{folder / TEST_LIST}: {found}. Copy it, too (请一并拷贝)")
    return clip


def read_test_list(folder: Path) -> set[Path]:
    """Return the test clips, where there is a list of them, or raise with bad lines."""
    path = folder / TEST_LIST
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        found = "is no UTF-8 text (不是 UTF-8 文本)"
        raise DataError(f"{path}: {found}. {SAVE_AS_UTF8}") from None
    clips: set[Path] = set()
    problems: list[str] = []
    for line in filter(None, map(str.strip, lines)):
        try:
            if clip := find_test_clip(folder, line):
                clips.add(clip)
        except DataError as error:
            problems += [*error.args]
    if problems:
        raise DataError(*problems)
    return clips


def list_clips(folder: Path, split: str) -> list[Path]:
    """Return every file that training reads for `train`, or for `test`, word by word."""
    test = read_test_list(folder)
    files = (path for word in WORDS for path in sorted((folder / word).glob("*")))
    return [
        path
        for path in files
        if not is_system_name(path.name) and (path in test) == (split == "test")
    ]


def find_chunks(content: bytes) -> dict[bytes, tuple[int, bytes]]:
    """Return the parts of a WAV file: how many bytes each claims to have, and its bytes."""
    chunks: dict[bytes, tuple[int, bytes]] = {}
    start = 12
    while start + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, start)
        start += 8
        size = len(content) - start if size >= UNKNOWN_SIZE else size
        chunks.setdefault(name, (size, content[start : start + size]))
        start += size + size % 2
    return chunks


def find_samples(content: bytes) -> tuple[str, bytes]:
    """Return what is wrong with a WAV file's bytes, or else nothing and its samples."""
    if not content:
        return f"the file is empty (文件为空). {COPY_AGAIN}", b""
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return WEB_PAGE, b""
    if content[:4] != b"RIFF" or content[8:12] not in (b"WAVE", b""):
        found = f"starts with {content[:4]!r}, so it is no WAV file"
        return f"{found} (不是 WAV 文件). {CONVERT}", b""
    chunks = find_chunks(content)
    header, (size, frames) = (
        chunks.get(b"fmt ", (0, b""))[1],
        chunks.get(b"data", (0, b"")),
    )
    if len(header) < 16 or b"data" not in chunks:
        return f"the header is cut off (文件头不完整). {COPY_AGAIN}", b""
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", header)
    if kind == 0xFFFE:  # the long form, which says further on what the samples are
        kind = int.from_bytes(header[24:26], "little")
    if kind != 1:  # compressed, or floats
        found = f"holds no plain samples: unknown format: {kind}"
        return f"{found} (不是未压缩的采样). {CONVERT}", b""
    if (rate, channels, bits) != (RATE, 1, 16):
        found = f"{rate} Hz, {channels} channels, {bits} bits, not 16000 Hz, 1, 16"
        return f"{found} (采样率、声道或位数不对). {CONVERT}", b""
    if size == 0:
        return f"holds no sample (没有采样). {REPLACE}", b""
    if size > 2 * RATE:
        found = f"lasts {size / 2 / RATE:.1f} s, more than one second (超过一秒)"
        return f"{found}. {CUT_OUT}", b""
    if len(frames) < size:
        found = f"{len(frames) // 2} samples follow a header that says {size // 2}"
        return f"{found} (长度与文件头不符). {COPY_AGAIN}", b""
    if size % 2:
        found = f"{size} bytes are no whole number of 16-bit samples"
        return f"{found} (最后一个采样不完整). {CONVERT}", b""
    return "", frames


def read_samples(path: Path) -> torch.Tensor:
    """Return a clip's samples [N] as they lie in the file, or say why that cannot be."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    problem, frames = find_samples(content)
    if len(content) > MOST_BYTES:
        found = f"has more than {MOST_BYTES} bytes, one second has 32044"
        problem = f"{found} (文件过大). {CUT_OUT}"
    if problem:
        raise DataError(f"{path}: {problem}")
    return torch.frombuffer(bytearray(frames), dtype=torch.int16)


def find_folder_problems(folder: Path) -> Iterator[str]:
    """Yield word folders that are missing or closed, and what has a wrong name."""
    if not folder.is_dir():
        yield f"{folder}: {MISSING_FOLDER}"
        return
    for path in (folder, *(folder / word for word in WORDS)):
        try:
            next(path.iterdir(), None)
        except FileNotFoundError:
            yield f"{path}: {MISSING_WORD}"
        except OSError as error:
            yield str(unreadable(path, error))
            if path == folder:
                return
    for path in sorted(folder.iterdir()):
        known = path.name in OTHERS.union(WORDS) or is_system_name(path.name)
        if path.is_dir() and not known:
            found = f"{path.name} is not among the words {', '.join(WORDS)}"
            yield f"{path}: {found} (不在单词表中). {MOVE_AWAY}"
        if path.name != TEST_LIST and path.name.lower().startswith("testing_list"):
            found = f"is not read as {TEST_LIST}"
            yield f"{path}: {found} (文件名不对，不会被读取). {MOVE_AWAY}"


def find_shared_speakers(folder: Path, clips: dict[str, list[Path]]) -> Iterator[str]:
    """Yield that speakers are in training and in the test: the result would flatter."""
    train, test = ({speaker_of(path) for path in paths} for paths in clips.values())
    if both := sorted(train & test):
        names = ", ".join(both[:3])
        found = f"{len(both)} speakers are in training and in the test, {names} …"
        yield f"{folder / TEST_LIST}: {found} (说话人同时出现在训练和测试中). {ONE_SIDE}"


def speaker_of(clip: Path) -> str:
    """Return who speaks in a clip, by its file name."""
    return clip.name.partition("_")[0]


def check_split(folder: Path, split: str) -> str:
    """Read every clip of a split; return what is sound, or raise with every problem."""
    if problems := list(find_folder_problems(folder)):
        raise DataError(*problems)
    both = {each: list_clips(folder, each) for each in ("train", "test")}
    problems, clips = list(find_shared_speakers(folder, both)), both[split]
    for path in clips:
        if not NAME.fullmatch(path.name):
            problems.append(f"{path}: {WRONG_NAME}")
            continue
        try:
            samples = read_samples(path)
            if samples.min() == samples.max():
                problems.append(f"{path}: is silent (没有声音). {REPLACE}")
        except DataError as error:
            problems += [*error.args]
    if not clips:
        found = f"holds no {split} clip (没有样本)"
        problems.append(f"{folder}: {found}. Give this node data (请为本节点准备数据)")
    if problems:
        raise DataError(*problems)
    words = len({path.parent.name for path in clips})
    speakers = len(set(map(speaker_of, clips)))
    found = f"{len(clips)} {split} clips of {words} words by {speakers} speakers"
    return f"{found} are sound (数据可用)"


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/speech_commands"
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
