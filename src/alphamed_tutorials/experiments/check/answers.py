"""What an answer to a question is, and how a question says that it has another one than `ok`."""

from dataclasses import dataclass

OK, FAILED, NOT_APPLICABLE, NOT_ASKED = "ok", "failed", "not applicable", "not asked"


class Wrong(Exception):
    """The answer is no; the text says what was found, and where."""


class NotApplicable(Exception):
    """The question makes no sense for this task; the text says why."""


class NotAsked(Exception):
    """The question needs what an earlier one did not find in order; the text names that one."""


@dataclass(frozen=True)
class Answer:
    """A row of the table.

    Attributes:
        id: The question's short name.
        question: The question.
        answer: `ok`, `failed`, `not applicable` or `not asked`.
        reason: What was found, or why it was not looked for; empty where all is in order.
        mend: What to do; empty where nothing failed.
    """

    id: str
    question: str
    answer: str
    reason: str = ""
    mend: str = ""
