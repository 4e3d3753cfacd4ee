"""SQLite as the hub and the agents use it: a database that outlives the process that is killed, and numbered migrations."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import TutorialError


def open_database(path: Path, migrations: Sequence[str], *, check_same_thread: bool = True) -> sqlite3.Connection:
    """Open a database, made or brought up to date where needed.

    What is committed survives the process (not a loss of power within the last moments: `synchronous=NORMAL` waits for
    the disk only at checkpoints, which makes a commit cost microseconds). Statements run in `transaction`, or each alone.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=check_same_thread)
    connection.row_factory = sqlite3.Row
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
    migrate(connection, migrations)
    return connection


def migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Run the migrations that this database has not seen; their number is its `user_version`."""
    with transaction(connection):  # two processes may open it at once
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise TutorialError(
                f"this database is of a newer version of the playground ({version}) than the one installed "
                f"({len(migrations)}): update alphamed-tutorials, or choose another folder"
            )
        for migration in migrations[version:]:
            for statement in _statements(migration):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write all that the block writes, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    """Split a script of statements that end with their lines; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"a migration ends in the middle of a statement: {statement.strip()}")
