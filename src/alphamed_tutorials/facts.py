"""What an `example.toml` may say: every key of it, checked when the file is read.

pydantic does the checking, because a reader's slip of the pen wants a message that names the key, not a traceback.
"""

import re
import tomllib
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from .errors import WrongUse


class FactsError(WrongUse):
    """An `example.toml` that cannot be used; the text names the key."""


def _is_format(text: str) -> str:
    format(0.5, text)  # raises the ValueError that pydantic reports
    return text


def _has_own_names(tables: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [table.name for table in tables]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} is there twice: give each a name of its own")
    return tables


def _stays_below(path: str) -> str:
    for kind in (PurePosixPath(path), PureWindowsPath(path)):
        if kind.anchor or ".." in kind.parts or not kind.parts or not path.isprintable():
            raise ValueError(f"{path!r} must stay below the data folder: name a file in it, as in data/images.zip")
    return path


def _is_checksum(text: str) -> str:
    if not re.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", text):
        raise ValueError(f"{text!r} must begin with md5: or sha256:, followed by its 32 or 64 digits of 0-9 and a-f")
    return text


Text = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """A table of `example.toml`: a key that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


AnyTable = TypeVar("AnyTable", bound=Table)


class Titles(Table):
    """The title in both languages."""

    zh: Text
    en: Text


class Card(Table):
    """`[card]`: the example on the site's home page.

    Attributes:
        icon: Name of a Material icon, such as `material-bee`.
        zh, en: One or two sentences: what is learnt, and what is special about it.
    """

    icon: str
    zh: str
    en: str


class DataFacts(Table):
    """`[data]`: the data set, where it comes from, and under which licence.

    Attributes:
        name: The data set's name; data prepared for another one are refused. Empty for a task without `example.toml`:
            it takes what it is given.
        source: Who made it.
        licence: Its licence.
        licence_zh: The same in Chinese, where it is not an abbreviation.
        embedded: What takes its place where there is no source.
        unpack: What at the top of the official archive is needed; all of it where nothing is named.
    """

    name: str
    source: str = ""
    licence: str = ""
    licence_zh: str = ""
    embedded: str = ""
    unpack: tuple[str, ...] = ()


class RunFacts(Table):
    """`[run]`: what a run does where nothing is said.

    Attributes:
        nodes: Data owners.
        rounds: Rounds; the scheduler's own default where it is left out.
        num_threads: Torch's threads; the last digits of a result depend on it.
        embedded_settings: Arguments of the scheduler that suit the embedded data.
    """

    nodes: PositiveInt = 3
    rounds: PositiveInt | None = None
    num_threads: PositiveInt = 1
    embedded_settings: dict[str, Any] = Field(default_factory=dict)


class MetricFacts(Table):
    """`[[metric]]`: a metric the aggregator logs, its name in both languages, and how it is written.

    Attributes:
        name: As it is given to `tb_writer.add_scalar`.
        zh, en: What a reader calls it.
        format: Python's format of a value: `.1%` for shares, `.3g` for others.
    """

    name: Text
    zh: Text
    en: Text
    format: Annotated[str, AfterValidator(_is_format)] = ".3g"


class Independent(Table):
    """`[independent]`: what in the test data is independent, over which recorded results get an interval.

    Attributes:
        zh, en: What a reader calls several of them, as in "35 speakers".
    """

    zh: Text
    en: Text


class Experiment(Table):
    """`[[experiment]]`: what `playground record` runs.

    Attributes:
        seed: Of the split and of every run.
        more_seeds: It is run again with each of these, to see how far its figures move.
        settings: Arguments of the scheduler.
    """

    name: Text
    partition: Text
    nodes: PositiveInt
    rounds: PositiveInt
    seed: int = Field(ge=0)
    more_seeds: tuple[Annotated[int, Field(ge=0)], ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)


class Download(Table):
    """`[[download]]`: one official file; its path is below the folder given to `playground fetch`."""

    path: Annotated[str, AfterValidator(_stays_below)]
    urls: list[str] = Field(min_length=1)
    checksum: Annotated[str, AfterValidator(_is_checksum)]
    size: PositiveInt | None = None


class Facts(Table):
    """The whole of `example.toml`.

    Attributes:
        order: Place in the reading order; examples without one come last.
        title: In both languages.
        requirements: Packages its files import beside torch, torchvision, torchaudio and the SDK.
        metric: The first one is the one quoted.
    """

    order: int | None = None
    title: Titles
    card: Card | None = None
    data: DataFacts
    run: RunFacts = RunFacts()
    requirements: tuple[str, ...] = ()
    metric: Annotated[tuple[MetricFacts, ...], AfterValidator(_has_own_names)] = ()
    independent: Independent | None = None
    experiment: Annotated[tuple[Experiment, ...], AfterValidator(_has_own_names)] = ()
    download: tuple[Download, ...] = ()

    @property
    def metrics(self) -> list[str]:
        """The names of the metrics, the one quoted first."""
        return [metric.name for metric in self.metric]


def read_facts(file: Path) -> Facts:
    """Read an `example.toml`.

    Raises:
        FactsError: It is no TOML, or a key is missing, unknown or of the wrong kind; all of it in one line.
    """
    try:
        return checked(Facts, tomllib.loads(file.read_text(encoding="utf-8-sig")), file)
    except UnicodeDecodeError:
        raise FactsError(f"{file} is no UTF-8 text: save it as UTF-8") from None
    except (ValueError, RecursionError) as error:  # no TOML
        raise FactsError(f"{file} is damaged: {error}") from None
    except OSError as error:  # no permission, or a folder of that name
        raise FactsError(f"{file} cannot be read: {error.strerror}") from None


def checked(kind: type[AnyTable], content: Any, where: object) -> AnyTable:
    """Return a table that says what it should.

    Raises:
        FactsError: A key is missing, unknown or of the wrong kind; all of it in one line.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise FactsError(f"{where} does not say what it should: {'; '.join(faults)}") from None


def facts_of(name: str) -> Facts:
    """Return what holds for a task that has no `example.toml`."""
    return Facts(title=Titles(zh=name, en=name), data=DataFacts(name=""))
