"""Databases are made, brought up to date, and left alone when something fails."""

import sqlite3

import pytest

from alphamed_tutorials.errors import TutorialError
from alphamed_tutorials.playground.schema import migrate, open_database, transaction

FIRST = """
CREATE TABLE a (x TEXT);  -- a semicolon; in a comment
INSERT INTO a VALUES ('one; two');
"""


def test_migrations_run_once(tmp_path):
    for migrations in ([FIRST], [FIRST], [FIRST, "ALTER TABLE a ADD COLUMN y;"]):
        open_database(tmp_path / "a.sqlite", migrations).close()
    connection = open_database(tmp_path / "a.sqlite", [FIRST, "ALTER TABLE a ADD COLUMN y;"])
    assert [tuple(row) for row in connection.execute("SELECT * FROM a")] == [("one; two", None)]
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    with pytest.raises(TutorialError, match="newer version"):
        migrate(connection, [FIRST])


def test_a_migration_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(sqlite3.OperationalError):
        open_database(tmp_path / "a.sqlite", [FIRST, "CREATE TABLE b (x);\nSELECT * FROM missing;"])
    connection = open_database(tmp_path / "a.sqlite", [])
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0


def test_a_migration_ends_with_its_statements(tmp_path):
    with pytest.raises(ValueError, match="middle of a statement"):
        open_database(tmp_path / "a.sqlite", ["CREATE TABLE b (x)"])


def test_a_transaction_is_whole_or_nothing(tmp_path):
    connection = open_database(tmp_path / "a.sqlite", ["CREATE TABLE a (x);"])
    with pytest.raises(ZeroDivisionError), transaction(connection):
        connection.execute("INSERT INTO a VALUES (1)")
        1 / 0
    with transaction(connection):
        connection.execute("INSERT INTO a VALUES (2)")
    assert [x for (x,) in connection.execute("SELECT x FROM a")] == [2]
