"""What the hub keeps. A migration is never changed once it was released: what is new comes as another one."""

MIGRATIONS = [
    """
CREATE TABLE nodes (
    name TEXT PRIMARY KEY, organisation TEXT NOT NULL, key_id TEXT NOT NULL UNIQUE, public BLOB NOT NULL,
    admitted TEXT NOT NULL, revoked TEXT
);
CREATE TABLE invitations (token TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, key_id TEXT);  -- the token's SHA-256
CREATE TABLE nonces (key_id TEXT, nonce TEXT, created INTEGER, PRIMARY KEY (key_id, nonce)) WITHOUT ROWID;
CREATE INDEX nonces_by_time ON nonces (created);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, settings TEXT NOT NULL, created TEXT NOT NULL,
    state TEXT NOT NULL, why TEXT NOT NULL, since TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0, started_with TEXT,
    round INTEGER NOT NULL DEFAULT 0, rounds INTEGER, progress INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE members (
    task TEXT NOT NULL REFERENCES tasks, position INTEGER NOT NULL, node TEXT NOT NULL REFERENCES nodes,
    pseudonym TEXT NOT NULL, role TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    since TEXT NOT NULL, box_key TEXT, away_since TEXT,
    PRIMARY KEY (task, position), UNIQUE (task, node), UNIQUE (task, pseudonym)
);
CREATE INDEX members_by_node ON members (node);
CREATE TABLE code (
    task TEXT NOT NULL REFERENCES tasks, kind TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (task, kind)
);

CREATE TABLE messages (
    task TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL, PRIMARY KEY (task, id)
) WITHOUT ROWID;
CREATE TABLE entries (  -- the nodes' inboxes; AUTOINCREMENT: a number is never used twice
    seq INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, task TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX entries_by_node ON entries (node, seq);
CREATE INDEX entries_by_task ON entries (task);
CREATE TABLE files (
    task TEXT NOT NULL, id TEXT NOT NULL, sender TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (task, id)
);

CREATE TABLE events (log TEXT, number INTEGER, record TEXT NOT NULL, PRIMARY KEY (log, number)) WITHOUT ROWID;
""",
]
