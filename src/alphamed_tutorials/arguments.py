"""The settings of a task: the arguments of its scheduler, and values for them from the command line."""

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from docstring_parser import parse
from pydantic import TypeAdapter, ValidationError

from .errors import WrongUse


@dataclass(frozen=True)
class Argument:
    """One argument of a scheduler's `__init__`.

    Attributes:
        name: Its name.
        kind: Its annotation, else the type of its default, else `str`.
        default: Its default; `inspect.Parameter.empty` where a value must be given.
        meaning: What the docstring says of it.
    """

    name: str
    kind: Any
    default: Any
    meaning: str

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is inspect.Parameter.empty


def arguments(scheduler_class: type) -> dict[str, Argument]:
    """Return the arguments of a scheduler by name; where its `__init__` hands `**kwargs` on, those of its base too."""
    found: dict[str, Argument] = {}
    for kind in scheduler_class.__mro__:
        if "__init__" not in vars(kind):
            continue
        init = vars(kind)["__init__"]
        meanings = {
            each.arg_name: each.description or "" for text in (kind, init) for each in parse(text.__doc__ or "").params
        }
        parameters = list(inspect.signature(init).parameters.values())[1:]
        for each in parameters:
            if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                found.setdefault(
                    each.name, Argument(each.name, _kind(init, each), each.default, meanings.get(each.name, ""))
                )
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            break
    return found


def convert(scheduler_class: type, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of settings that were given as text.

    Args:
        scheduler_class: Whose arguments they are.
        texts: Value by name, as on the command line: `{"learning_rate": "0.01"}`.

    Raises:
        WrongUse: There is no such argument, or the text is no value for it.
    """
    known = arguments(scheduler_class)
    refuse_unknown(scheduler_class, texts)
    return {name: _converted(known[name], text) for name, text in texts.items()}


def refuse_unknown(scheduler_class: type, names: Mapping[str, Any]) -> None:
    """Refuse a name that is no argument of a scheduler.

    Raises:
        WrongUse: The text lists the arguments and the nearest one.
    """
    known = arguments(scheduler_class)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            listed = ", ".join(known) or "none"
            raise WrongUse(f"{scheduler_class.__name__} has no argument {name}: {hint}Its arguments are: {listed}")


def _kind(init: Any, parameter: inspect.Parameter) -> Any:
    try:
        hints = get_type_hints(init)
    except Exception:  # names that exist for type checkers only
        hints = {}
    if parameter.name in hints:
        return hints[parameter.name]
    return str if parameter.default in (parameter.empty, None) else type(parameter.default)


def _converted(argument: Argument, text: str) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(argument.kind, config={"arbitrary_types_allowed": True})
    for read in (adapter.validate_strings, adapter.validate_json):  # a plain value, or a list or table as in JSON
        try:
            return read(text)
        except ValidationError:
            continue
    kind = getattr(argument.kind, "__name__", argument.kind)
    raise WrongUse(f"{argument.name}={text}: {text} is no {kind}")
