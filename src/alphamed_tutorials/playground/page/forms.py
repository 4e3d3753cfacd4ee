"""What a form of the page brings: texts, and files that were read."""

import io
import zipfile
from typing import NamedTuple

from starlette.datastructures import FormData, UploadFile

from ...errors import WrongUse
from . import submissions


class File(NamedTuple):
    """A file that was uploaded."""

    name: str
    content: bytes


class Sent:
    """A form that was sent.

    Attributes:
        texts: The fields' texts by name.
        chosen: Of each field all its texts, for boxes that were ticked.
        files: The files of each field; a field that was left empty has none.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.chosen: dict[str, list[str]] = {}
        self.files: dict[str, list[File]] = {}

    @classmethod
    async def read(cls, form: FormData) -> "Sent":
        """Read a form whole."""
        sent = cls()
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                if value.filename:
                    sent.files.setdefault(name, []).append(File(value.filename, await value.read()))
            else:
                sent.texts[name] = value.strip()
                sent.chosen.setdefault(name, []).append(value)
        return sent

    def text(self, name: str) -> str:
        """Return a field's text; an empty one where there is no such field."""
        return self.texts.get(name, "")

    def file(self, name: str, what: str) -> File:
        """Return the one file of a field.

        Raises:
            WrongUse: There is none.
        """
        if len(self.files.get(name, [])) != 1:
            raise WrongUse(f"choose one file: {what}")
        return self.files[name][0]


def verification(sent: Sent) -> bytes:
    """Return the data verification of a form: an example's, or a file.

    Raises:
        WrongUse: There is none, or it is no DatasetVerify.py.
    """
    if example := sent.text("verification_of"):
        return submissions.verification(submissions.chosen(example))
    content = sent.file("verify", "DatasetVerify.py").content
    try:
        is_right = "DatasetVerify" in content.decode("utf-8")
    except UnicodeDecodeError:
        is_right = False
    if not is_right:
        raise WrongUse("the file has no class DatasetVerify: choose the task's DatasetVerify.py, saved as UTF-8")
    return content


def attachment(files: list[File]) -> bytes | None:
    """Return the attached files as one archive; None if there are none."""
    if not files:
        return None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(file.name.replace("\\", "/").rpartition("/")[2], file.content)
    return content.getvalue()


def whole(text: str, what: str) -> int | None:
    """Return the number that a text is; None where there is none.

    Raises:
        WrongUse: It is no whole number, or less than 0.
    """
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise WrongUse(f"{what} must be a whole number, not {text!r}")
    return int(text) if text else None
