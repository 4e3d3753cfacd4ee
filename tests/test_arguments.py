"""Settings of a task: the arguments of its scheduler, and values from the command line."""

from typing import Literal

import pytest

from alphamed_tutorials.arguments import arguments, convert
from alphamed_tutorials.errors import WrongUse


class Base:
    """A base class.

    Args:
        max_rounds: Rounds to run.
    """

    def __init__(self, max_rounds: int = 0, log_rounds: int = 1):
        pass


class Task(Base):
    """A task.

    Args:
        learning_rate: Step size of SGD,
            in the first round.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        hidden=8,
        momentum: float | None = None,
        sizes: list[int] = (3,),
        nesterov: bool = False,
        kind: Literal["sgd", "adam"] = "sgd",
        name="",
        untyped=None,
        options: dict[str, float] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)


class Closed(Base):
    def __init__(self, rate: "float", *, needed: int):
        super().__init__()


def test_arguments_come_with_kind_default_and_meaning():
    known = arguments(Task)
    rate = known["learning_rate"]
    assert (rate.kind, rate.default, rate.meaning) == (float, 0.1, "Step size of SGD,\nin the first round.")
    assert known["hidden"].kind is int and known["untyped"].kind is str
    assert not rate.is_required


def test_arguments_that_are_handed_on_to_the_base_belong_to_it():
    assert arguments(Task)["max_rounds"].meaning == "Rounds to run."
    assert list(arguments(Closed)) == ["rate", "needed"]
    assert arguments(Closed)["needed"].is_required and arguments(Closed)["rate"].kind is float


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("learning_rate=1e-3", 0.001),
        ("hidden=16", 16),
        ("momentum=0.9", 0.9),
        ("momentum=null", None),
        ("sizes=[1, 2]", [1, 2]),
        ("nesterov=true", True),
        ("nesterov=0", False),
        ("kind=adam", "adam"),
        ("name=a b=c", "a b=c"),
        ("untyped=7", "7"),
        ('options={"decay": 0.1}', {"decay": 0.1}),
        ("log_rounds=3", 3),
    ],
)
def test_a_text_becomes_what_the_argument_wants(text, value):
    name, _, given = text.partition("=")
    found = convert(Task, {name: given})[name]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["learning_rate=fast", "hidden=1.5", "nesterov=maybe", "kind=lion", "sizes=1,2"])
def test_a_text_that_is_no_value_is_refused(text):
    name, _, given = text.partition("=")
    with pytest.raises(WrongUse, match=f"{name}={given}: "):
        convert(Task, {name: given})


def test_an_unknown_name_lists_the_arguments_and_the_nearest_one():
    with pytest.raises(
        WrongUse, match="Task has no argument lerning_rate: did you mean learning_rate.*hidden.*max_rounds"
    ):
        convert(Task, {"lerning_rate": "1"})
    with pytest.raises(WrongUse, match="Closed has no argument max_rounds: Its arguments are: rate, needed"):
        convert(Closed, {"max_rounds": "1"})
