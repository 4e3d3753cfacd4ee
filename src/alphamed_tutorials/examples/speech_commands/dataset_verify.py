"""Check that a node's clips can be read and trained on. AlphaMed takes this file under the name `DatasetVerify.py`."""

# --8<-- [start:imports]
import logging
import re
import wave
from pathlib import Path

import torch
from alphafed.scheduler import DataChecker

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
WORDS = (
    "down",
    "go",
    "left",
    "no",
    "off",
    "on",
    "right",
    "stop",
    "up",
    "yes",
)  # as in model.py: this file travels alone
OTHERS = set(  # what else lies in the official archives; training does not look at it
    [
        "_background_noise_",
        "_silence_",
        "_unknown_",
        "backward",
        "bed",
        "bird",
        "cat",
        "dog",
        "eight",
        "five",
        "follow",
        "forward",
        "four",
        "happy",
        "house",
        "learn",
        "marvin",
        "nine",
        "one",
        "seven",
        "sheila",
        "six",
        "three",
        "tree",
        "two",
        "visual",
        "wow",
        "zero",
    ]
)
RATE = 16000
NAME = re.compile(r"([0-9a-f]{8})_nohash_\d+\.wav")  # SPEAKER_nohash_N.wav
TEST_LIST = "testing_list.txt"
MOST_LINES = 20
COPY_AGAIN = "Copy it again (请重新拷贝)"
CONVERT = "Convert it to 16000 Hz, one channel, 16 bits (请转换为 16000 Hz 单声道 16 位)"


class DataError(ValueError):
    """Say which file is wrong, why, and what to do."""


def data_error(path: Path, reason: str, advice: str) -> DataError:
    """Return the error that reports one problem."""
    return DataError(f"{path}: {reason}. {advice}")


def unreadable(path: Path, error: OSError) -> DataError:
    """Return the error that reports a file or folder without permission, of the wrong kind, or on a broken disk."""
    reason = f"cannot be read: {error.strerror} (无法读取)"
    return data_error(
        path, reason, "Give the training user access (请为训练用户开放权限)"
    )


def read_bytes(path: Path) -> bytes:
    """Return what a file holds."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def read_clip(path: Path) -> torch.Tensor:
    """Return a clip's samples [T], or raise with what is wrong with it."""
    content = read_bytes(path)
    if not content:
        raise data_error(path, "the file is empty (文件为空)", COPY_AGAIN)
    if content[:99].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise data_error(
            path,
            "is a web page, not sound (是网页，不是声音)",
            "Download it again (请重新下载)",
        )
    if content[:4] != b"RIFF":
        raise data_error(
            path,
            f"starts with {content[:4]!r}, so it is no WAV file (不是 WAV 文件)",
            CONVERT,
        )
    try:
        with path.open("rb") as stream, wave.open(stream) as file:
            count, found = (
                file.getnframes(),
                (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth()),
            )
            frames = file.readframes(count)
    except EOFError:
        raise data_error(
            path, "the header is cut off (文件头不完整)", COPY_AGAIN
        ) from None
    except wave.Error as error:  # compressed, or floats
        raise data_error(
            path, f"holds no plain samples: {error} (不是未压缩的采样)", CONVERT
        ) from None
    if found != (RATE, 1, 16):
        reason = "{} Hz, {} channels, {} bits, not 16000 Hz, 1, 16 (采样率、声道或位数不对)".format(
            *found
        )
        raise data_error(path, reason, CONVERT)
    if count == 0:
        raise data_error(
            path, "holds no sample (没有采样)", "Delete or replace it (请删除或更换)"
        )
    if len(frames) < 2 * count:
        reason = f"{len(frames) // 2} samples follow a header that says {count} (长度与文件头不符)"
        raise data_error(path, reason, COPY_AGAIN)
    if count > RATE:
        reason = f"lasts {count / RATE:.1f} s, more than one second (超过一秒)"
        raise data_error(path, reason, "Cut out the word (请截取单词部分)")
    samples = torch.frombuffer(bytearray(frames), dtype=torch.int16)
    if samples.min() == samples.max():
        raise data_error(
            path, "is silent (没有声音)", "Delete or replace it (请删除或更换)"
        )
    return samples


def read_test_list(folder: Path) -> set[str]:
    """Return the names WORD/FILE of the test clips, where there is a list of them."""
    path = folder / TEST_LIST
    if not path.exists():
        return set()
    try:
        names = set(read_bytes(path).decode("utf-8").split())
    except UnicodeDecodeError:
        raise data_error(path, "is no UTF-8 text (不是 UTF-8 文本)", COPY_AGAIN) from None
    missing = sorted(
        name
        for name in names
        if name.split("/")[0] in WORDS and not (folder / name).exists()
    )
    if missing:
        raise data_error(
            path,
            f"names {missing[0]}, which is missing (所列文件不存在)",
            "Copy it, too (请一并拷贝)",
        )
    return names


def look_at_folders(folder: Path) -> list[DataError]:
    """Report word folders that are missing or closed, and folders that are no known word."""
    if not folder.is_dir():
        return [
            data_error(
                folder,
                "the folder is missing (缺少文件夹)",
                "Copy the data there (请拷入数据)",
            )
        ]
    errors = []
    for path in (folder, *(folder / word for word in WORDS)):
        try:
            next(path.iterdir(), None)
        except (FileNotFoundError, NotADirectoryError):
            advice = "Copy it, or make an empty one if this node has no such clip (请拷入；本节点没有该词时建一个空文件夹)"
            errors.append(
                data_error(
                    path, "the word's folder is missing (缺少该词的文件夹)", advice
                )
            )
        except OSError as error:
            errors.append(unreadable(path, error))
            if path == folder:
                return errors
    for path in sorted(folder.iterdir()):
        if (
            path.is_dir()
            and path.name not in OTHERS.union(WORDS)
            and not path.name.startswith(".")
        ):
            reason = (
                f"{path.name} is not among the words {', '.join(WORDS)} (不在单词表中)"
            )
            errors.append(
                data_error(
                    path, reason, "Correct its name, or move it away (请改正名称或移走)"
                )
            )
    return errors


def look_at_clips(
    folder: Path, split: str, test: set[str]
) -> tuple[list[DataError], int, set[str], set[str]]:
    """Read every clip of a split; return what is wrong, how many there are, their words, and their speakers."""
    errors, count, words, speakers = [], 0, set(), set()
    for word in WORDS:
        for path in sorted((folder / word).glob("[!.]*")):
            if (f"{word}/{path.name}" in test) != (split == "test"):
                continue
            try:
                name = NAME.fullmatch(path.name)
                if not name:
                    reason = "the name is not SPEAKER_nohash_N.wav (文件名格式不对)"
                    raise data_error(
                        path, reason, "Rename it, or move it away (请改名或移走)"
                    )
                read_clip(path)
                count, words, speakers = count + 1, words | {word}, speakers | {name[1]}
            except DataError as error:
                errors.append(error)
    if not count and not errors:
        errors.append(
            data_error(
                folder,
                f"holds no {split} clip (没有样本)",
                "Give this node data (请为本节点准备数据)",
            )
        )
    return errors, count, words, speakers


def find_shared_speakers(folder: Path, test: set[str]) -> list[DataError]:
    """Report a speaker who is heard in training and in the test: the result would look better than it is."""
    heard: dict[bool, set[str]] = {True: set(), False: set()}
    for word in WORDS:
        for path in (folder / word).glob("*.wav"):
            heard[f"{word}/{path.name}" in test].add(path.name.split("_")[0])
    both = sorted(heard[True] & heard[False])
    reason = f"{len(both)} speakers are in training and in the test, {', '.join(both[:3])} … (说话人同时出现在训练和测试中)"
    advice = "Keep all clips of a speaker on one side (同一说话人的录音只放一边)"
    return [data_error(folder / TEST_LIST, reason, advice)] if both else []


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
        try:
            sound, problems = self.look()
        except DataError as error:
            sound, problems = [], [str(error)]
        except Exception as error:  # whatever it is, the owner of the data has to see it
            sound, problems = (
                [],
                [
                    f"{type(error).__name__}: {error} (意外错误). Ask the task's author (请联系任务作者)"
                ],
            )
        if len(problems) > MOST_LINES:
            more = f"{len(problems) - MOST_LINES} more problems (还有更多问题). Mend these first (请先处理以上问题)"
            problems = [*problems[:MOST_LINES], more]
        return not problems, "\n".join(
            f"{self.current_node}: {line}" for line in problems or sound
        )

    def look(self) -> tuple[list[str], list[str]]:
        """Return what is sound, and what is wrong."""
        folder = Path(self.data_dir)
        if problems := look_at_folders(folder):
            return [], list(map(str, problems))
        test = read_test_list(folder)
        sound, problems = [], find_shared_speakers(folder, test)
        for split in self.required_splits:
            errors, count, words, speakers = look_at_clips(folder, split, test)
            problems += errors
            sound.append(
                f"{count} {split} clips of {len(words)} words by {len(speakers)} speakers are sound (数据可用)"
            )
        return sound, list(map(str, problems))


# --8<-- [end:verify]
