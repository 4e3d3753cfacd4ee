"""Pickle as cloudpickle does, but keep the name of the file that code was written in: errors tell it."""

import io
from collections import ChainMap
from types import CodeType
from typing import Any, ClassVar

import cloudpickle

NAMELESS = "<dynamic-code>"  # what cloudpickle >= 3.1.3 puts in the name's place, so that equal code pickles alike
_reduce = cloudpickle.Pickler.dispatch_table[CodeType]


def _with_file(code: CodeType) -> tuple[Any, ...]:
    kind, values = _reduce(code)
    return kind, tuple(code.co_filename if value == NAMELESS else value for value in values)


class Pickler(cloudpickle.Pickler):
    """Write what no module can be asked for by value, with the names of its files."""

    dispatch_table: ClassVar = ChainMap({CodeType: _with_file}, cloudpickle.Pickler.dispatch_table)


def dumps(value: Any) -> bytes:
    """Return a pickled value."""
    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()
