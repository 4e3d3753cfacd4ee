"""Errors a user can do something about: their text is all that is shown, their code ends the command."""

import re
import sysconfig
import traceback
from pathlib import Path

PACKAGE = Path(__file__).parent
NO_TEXT = re.compile(r"utf-8|null bytes", re.IGNORECASE)  # what Python calls a file that was saved in another encoding


class TutorialError(Exception):
    """What was asked for did not work out; the text says where, why and what to do."""

    exit_code = 1


class WrongUse(TutorialError):
    """What was asked for makes no sense as it was asked."""

    exit_code = 2


def said_of(error: BaseException) -> str:
    """Return an error of the user's code in words, after the file and line of that code if one took part."""
    own = user_frame(error)
    where = f"{own.filename}, line {own.lineno}: " if own else ""
    if not isinstance(error, SystemExit):
        cure = ". Save this file as UTF-8" if isinstance(error, SyntaxError) and NO_TEXT.search(str(error)) else ""
        return f"{where}{type(error).__name__}: {error}{cure}"
    return (
        f"{where}SystemExit: {error.code}. A task's files are imported, and must not end the program that does it: what "
        "reads the command line or exits belongs below if __name__ == '__main__'"
    )


def user_frame(error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame that belongs to the user, not to Python, a library or this package's own tools."""
    if isinstance(error, SyntaxError) and error.filename:
        return traceback.FrameSummary(error.filename, error.lineno or 0, "<module>")
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    return own[-1] if own else None


def _is_users(filename: str) -> bool:
    if Path(filename).is_relative_to(PACKAGE):
        return Path(filename).is_relative_to(PACKAGE / "examples")
    libraries = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), "<")
    return not filename.startswith(libraries) and not {"site-packages", "dist-packages"} & set(Path(filename).parts)
