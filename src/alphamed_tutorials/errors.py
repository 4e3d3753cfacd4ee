"""Errors a user can do something about: their text is all that is shown, their code ends the command."""


class TutorialError(Exception):
    """What was asked for did not work out; the text says where, why and what to do."""

    exit_code = 1


class WrongUse(TutorialError):
    """What was asked for makes no sense as it was asked."""

    exit_code = 2
