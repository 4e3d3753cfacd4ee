"""Check that a node's table can be read and trained on.

AlphaMed takes this file under the name `DatasetVerify.py`.
"""

# --8<-- [start:imports]
import csv
import logging
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

try:
    from alphafed.scheduler import DataChecker
except ImportError:  # an older SDK: it calls run() and knows no base class
    DataChecker = object

logger = logging.getLogger("app")
# --8<-- [end:imports]


# --8<-- [start:read]
# --8<-- [start:units]
UNITS = {"um": 1.0, "\u03bcm": 1.0, "mm": 1000.0, "nm": 0.001}  # of a length, in µm
POWERS = {"radius": 1, "perimeter": 1, "area": 2}  # an area has the unit's square


def unit_of(row: dict[str, str]) -> str:
    """Return a row's unit; Unicode has two signs for µ, which look alike."""
    return unicodedata.normalize("NFKC", row["unit"]).strip()


def measured(row: dict[str, str]) -> list[float]:
    """Return the 30 values of a row in µm and µm², nan where one is missing."""
    scale = UNITS[unit_of(row)]
    return [
        number(row[name]) * scale ** POWERS.get(feature_of(name), 0) for name in COLUMNS
    ]


def feature_of(name: str) -> str:
    """Return what a column measures: `radius` of `mean radius`."""
    return name.removeprefix("mean ").removeprefix("worst ").removesuffix(" error")


# --8<-- [end:units]
LIMITS = {  # of a cell's nucleus, in µm and µm²; wide, as only a wrong unit shall be seen
    "radius": (2, 60),
    "texture": (1, 100),
    "perimeter": (12, 400),
    "area": (12, 12000),
    "smoothness": (0, 1),
    "compactness": (0, 5),
    "concavity": (0, 5),
    "concave points": (0, 1),
    "symmetry": (0, 1),
    "fractal dimension": (0, 1),
}
COLUMNS = tuple(
    form.format(feature)
    for form in ("mean {}", "{} error", "worst {}")
    for feature in LIMITS
)
DIAGNOSES = {"B": 0, "M": 1}  # benign, malignant
HEADER = ("patient", "hospital", "diagnosis", "unit", *COLUMNS)
FILES = {"train": "train.csv", "test": "test.csv"}
MISSING = ("", "na", "n/a", "-")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
MOST_MISSING = 15  # of the 30 values of a patient
ROUND = 1.5  # by this factor a nucleus may differ from a circle of its radius
MOST_BYTES = 1 << 26
MOST_LINES = 20  # of a refusal
MISSING_FILE = "the file is missing (缺少文件). Copy it there under this name (请以此文件名拷贝到此处)"
WEB_PAGE = (
    "is a web page, not data (是网页，不是数据). Export the table again (请重新导出)"
)
SAVE_AS_UTF8 = (
    "is no UTF-8 text (不是 UTF-8 文本). Save it as CSV UTF-8 (请另存为 CSV UTF-8)"
)
ONE_ROW = "Keep one row, in one file (每位病人只留一行，只在一个文件里)"
WRITE_B_OR_M = "Write B for benign, M for malignant (良性写 B，恶性写 M)"
LEAVE_EMPTY = "Write as 14.1, leave a missing value empty (请写成 14.1，缺失请留空)"
RIGHT_UNIT = "Is the unit right? Leave a missing value empty (请核对单位；缺失请留空)"
TOO_FEW = "patients are too few to train on (病人太少). Give this node data (请为本节点准备数据)"
COPY_AGAIN = "Copy it again (请重新拷贝)"
GIVE_ACCESS = "Give the training user access (请为训练用户开放权限)"
IN_THE_WAY = "Move away what lies there, and put the data in its place (请移走占位的内容并放入数据)"
MEND_FIRST = "more problems (还有更多问题). Mend these first (请先处理以上问题)"


def number(text: str) -> float:
    """Return a cell's number, nan where it is missing.

    Raises:
        ValueError: It is neither a number nor one of the signs for a missing one.
    """
    text = text.strip()
    if text.lower() in MISSING:
        return math.nan
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


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


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the patients of a CSV file, each cell as it is written.

    Raises:
        DataError: It cannot be read, or columns are missing.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: {MISSING_FILE}") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: {SAVE_AS_UTF8}") from None
    if text.lstrip().startswith("<"):
        raise DataError(f"{path}: {WEB_PAGE}")
    reader = csv.DictReader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        if lacking := [name for name in HEADER if header.count(name) != 1]:
            found = f"the header must have once each {', '.join(lacking[:3])} …"
            advice = (
                "Separate columns by commas, name them so (请用逗号分隔并使用这些列名)"
            )
            raise DataError(f"{path}: {found} (表头不对). {advice}")
        reader.fieldnames = header
        return list(reader)
    except csv.Error as error:
        raise DataError(f"{path}: {error} (格式不对). {COPY_AGAIN}") from None


def find_problems(rows: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each problem of a table with where it is; what is said twice has one reason."""
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        where = f"line {line}"
        if None in row or None in row.values():
            yield (
                where,
                f"the number of cells is not that of columns (单元格数不对). {COPY_AGAIN}",
            )
            continue
        if row["patient"] in seen:
            yield where, f"patient is there before (病人重复). {ONE_ROW}"
        seen.add(row["patient"])
        if row["diagnosis"].strip() not in DIAGNOSES:
            found = f"diagnosis {row['diagnosis']!r} is neither B nor M (诊断不对)"
            yield where, f"{found}. {WRITE_B_OR_M}"
        if unit_of(row) not in UNITS:
            found = f"unit {row['unit']!r} is not among {', '.join(UNITS)} (不认识的单位)"
            yield where, f"{found}. Convert the lengths and areas (请换算长度和面积)"
        else:
            yield from ((f"{where}, {name}", why) for name, why in find_wrong_cells(row))


def find_wrong_cells(row: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the columns of a row that hold no number, or none that its unit can mean."""
    values: dict[str, float] = {}
    for name in COLUMNS:
        try:
            values[name] = number(row[name])
        except ValueError:
            yield name, f"{row[name]!r} is no number (不是数字). {LEAVE_EMPTY}"
    if len(values) < len(COLUMNS):
        return
    values = dict(zip(COLUMNS, measured(row)))
    if sum(map(math.isnan, values.values())) > MOST_MISSING:
        found = f"more than {MOST_MISSING} values are missing (缺失过多)"
        yield COLUMNS[0], f"{found}. Leave the patient out (请去掉该病人)"
    for name, value in values.items():
        low, high = LIMITS[feature_of(name)]
        low = 0 if name.endswith(" error") else low
        if value < low or value > high:
            power = POWERS.get(feature_of(name), 0)
            unit = (
                f" in {('µm', 'µm²')[power - 1]} if the unit is {unit_of(row)}"
                if power
                else ""
            )
            found = f"is outside {low} to {high}{unit}"
            yield name, f"{found} (超出该单位下的可能范围). {RIGHT_UNIT}"
    for which in ("mean", "worst"):
        area, circle = values[f"{which} area"], math.pi * values[f"{which} radius"] ** 2
        if area * ROUND < circle or area > circle * ROUND:
            found = "is no circle's of that radius (面积与半径不符)"
            yield f"{which} area", f"{found}. {RIGHT_UNIT}"


def read_split(folder: Path, split: str) -> list[dict[str, str]]:
    """Return the rows of a split, or raise with every kind of problem and how often."""
    path = folder / FILES[split]
    rows = read_rows(path)
    places: dict[str, list[str]] = {}
    for where, why in find_problems(rows):
        places.setdefault(why, []).append(where)
    problems = [
        f"{path}: {where[0]}{f' and {len(where) - 1} more' * (len(where) > 1)}: {why}"
        for why, where in places.items()
    ]
    if len(rows) < 2:  # BatchNorm needs two
        problems.append(f"{path}: {len(rows)} {TOO_FEW}")
    if problems:
        raise DataError(*problems)
    return rows


def check_split(folder: Path, split: str) -> str:
    """Return what is sound about a split, or raise with every problem."""
    rows = read_split(folder, split)
    other = folder / FILES["test" if split == "train" else "train"]
    if other.exists():
        both = {row["patient"] for row in rows} & {
            row.get("patient") for row in read_rows(other)
        }
        if both:
            found = f"{len(both)} patients are in training and in the test, {min(both)} …"
            raise DataError(f"{other}: {found} (病人同时在训练和测试中). {ONE_ROW}")
    units = ", ".join(sorted(set(map(unit_of, rows))))
    malignant = sum(DIAGNOSES[row["diagnosis"].strip()] for row in rows)
    missing = sum(math.isnan(value) for row in rows for value in measured(row))
    share = missing / len(rows) / len(COLUMNS)
    return (
        f"{len(rows)} {split} patients, {malignant} malignant, units {units}, "
        f"{share:.1%} of values missing: sound (数据可用)"
    )


# --8<-- [end:read]


# --8<-- [start:verify]
class DatasetVerify(DataChecker):
    """Verify the data of one node where it lies.

    Args:
        task_id: The task that asks.
        current_node: The node that asks.
    """

    data_dir = "/data/alphamed-federated-dataset/tutorials/breast_cancer"
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
