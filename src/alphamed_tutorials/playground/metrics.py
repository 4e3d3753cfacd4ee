"""A node's metrics as a table that spreadsheets read."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows of round, node, name, value as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ("round", "node", "name", "value"))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
