"""Check that a node's clips can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import io
import logging
import re
import wave
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
# As in model.py: this file travels alone.
WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
# What else lies in the official archives; training does not look at it.
OTHERS = frozenset(
    "_background_noise_ _silence_ _unknown_ backward bed bird cat dog eight five follow "
    "forward four happy house learn marvin nine one seven sheila six three tree two "
    "visual wow zero".split()
)
RATE = 16000
NAME = re.compile(r"([0-9a-f]{8})_nohash_\d+\.wav")  # SPEAKER_nohash_N.wav
TEST_LIST = "testing_list.txt"
MOST_LINES = 20
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
MOVE_AWAY = "Correct its name, or move it away (请改正名称或移走)"
ONE_SIDE = "Keep all clips of a speaker on one side (同一说话人的录音只放一边)"
MEND_FIRST = "more problems (还有更多问题). Mend these first (请先处理以上问题)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"


class DataError(ValueError):
    """Say which file is wrong, why, and what to do: one line for each problem."""


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error for no permission, a folder for a file or a broken disk."""
    reason = f"cannot be read: {error.strerror} (无法读取)"
    return DataError(f"{path}: {reason}. {GIVE_ACCESS}")


def read_bytes(path: Path) -> bytes:
    """Return what a file holds."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def find_clip_problem(content: bytes) -> str:
    """Return what is wrong with a clip's bytes; nothing where it can be trained on."""
    if not content:
        return f"the file is empty (文件为空). {COPY_AGAIN}"
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return WEB_PAGE
    if content[:4] != b"RIFF":
        found = f"starts with {content[:4]!r}, so it is no WAV file"
        return f"{found} (不是 WAV 文件). {CONVERT}"
    try:
        with wave.open(io.BytesIO(content)) as file:
            count, bits = file.getnframes(), 8 * file.getsampwidth()
            rate, channels = file.getframerate(), file.getnchannels()
            frames = file.readframes(count)
    except EOFError:
        return f"the header is cut off (文件头不完整). {COPY_AGAIN}"
    except wave.Error as error:  # compressed, or floats
        return f"holds no plain samples: {error} (不是未压缩的采样). {CONVERT}"
    if (rate, channels, bits) != (RATE, 1, 16):
        found = f"{rate} Hz, {channels} channels, {bits} bits, not 16000 Hz, 1, 16"
        return f"{found} (采样率、声道或位数不对). {CONVERT}"
    if count == 0:
        return f"holds no sample (没有采样). {REPLACE}"
    if len(frames) < 2 * count:
        found = f"{len(frames) // 2} samples follow a header that says {count}"
        return f"{found} (长度与文件头不符). {COPY_AGAIN}"
    if count > RATE:
        found = f"lasts {count / RATE:.1f} s, more than one second (超过一秒)"
        return f"{found}. Cut out the word (请截取单词部分)"
    samples = torch.frombuffer(bytearray(frames), dtype=torch.int16)
    return f"is silent (没有声音). {REPLACE}" if samples.min() == samples.max() else ""


def read_test_list(folder: Path) -> set[str]:
    """Return the names WORD/FILE of the test clips, where there is a list of them."""
    path = folder / TEST_LIST
    if not path.exists():
        return set()
    try:
        names = set(read_bytes(path).decode("utf-8").split())
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: is no UTF-8 text (不是 UTF-8 文本). {COPY_AGAIN}"
        ) from None
    known = [name for name in sorted(names) if name.split("/")[0] in WORDS]
    for name in known:
        if not (folder / name).exists():
            found = f"names {name}, which is missing (所列文件不存在)"
            raise DataError(f"{path}: {found}. Copy it, too (请一并拷贝)")
    return names


def find_folder_problems(folder: Path) -> Iterator[str]:
    """Yield word folders that are missing or closed, and folders of no known word."""
    if not folder.is_dir():
        yield f"{folder}: {MISSING_FOLDER}"
        return
    for path in (folder, *(folder / word for word in WORDS)):
        try:
            next(path.iterdir(), None)
        except (FileNotFoundError, NotADirectoryError):
            yield f"{path}: {MISSING_WORD}"
        except OSError as error:
            yield str(unreadable(path, error))
            if path == folder:
                return
    for path in sorted(folder.iterdir()):
        known = path.name in OTHERS.union(WORDS) or path.name.startswith(".")
        if path.is_dir() and not known:
            found = f"{path.name} is not among the words {', '.join(WORDS)}"
            yield f"{path}: {found} (不在单词表中). {MOVE_AWAY}"


def find_shared_speakers(folder: Path, test: set[str]) -> Iterator[str]:
    """Yield that speakers are in training and in the test: the result would flatter."""
    heard: dict[bool, set[str]] = {True: set(), False: set()}
    for word in WORDS:
        for path in (folder / word).glob("*.wav"):
            heard[f"{word}/{path.name}" in test].add(path.name.split("_")[0])
    if both := sorted(heard[True] & heard[False]):
        names = ", ".join(both[:3])
        found = f"{len(both)} speakers are in training and in the test, {names} …"
        yield f"{folder / TEST_LIST}: {found} (说话人同时出现在训练和测试中). {ONE_SIDE}"


def check_split(folder: Path, split: str) -> str:
    """Read every clip of a split; return what is sound, or raise with every problem."""
    if problems := list(find_folder_problems(folder)):
        raise DataError("\n".join(problems))
    test = read_test_list(folder)
    problems = list(find_shared_speakers(folder, test))
    clips = [
        path
        for word in WORDS
        for path in sorted((folder / word).glob("[!.]*"))
        if (f"{word}/{path.name}" in test) == (split == "test")
    ]
    for path in clips:
        try:
            named = NAME.fullmatch(path.name)
            problem = find_clip_problem(read_bytes(path)) if named else WRONG_NAME
            problems += [f"{path}: {problem}"] if problem else []
        except DataError as error:
            problems.append(str(error))
    if not clips:
        found = f"holds no {split} clip (没有样本)"
        problems.append(f"{folder}: {found}. Give this node data (请为本节点准备数据)")
    if (more := len(problems) - MOST_LINES) > 0:
        problems[MOST_LINES:] = [f"{more} {MEND_FIRST}"]
    if problems:
        raise DataError("\n".join(problems))
    words = len({path.parent.name for path in clips})
    speakers = len({path.name.split("_")[0] for path in clips})
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
                problems += str(error).splitlines()
            except Exception as error:  # the owner of the data has to see that, too
                reason = f"{type(error).__name__}: {error} (意外错误)"
                problems.append(f"{reason}. Ask the task's author (请联系任务作者)")
        lines = dict.fromkeys(problems or sound)
        return not problems, "\n".join(f"{self.current_node}: {line}" for line in lines)


# --8<-- [end:verify]
