"""Tables of the state file. A migration, once released, is never changed: the next change is the next migration.

SQLite overwrites what it deletes (secure_delete), but when it splits or joins pages of a tree it leaves copies of rows
that are still alive in the free space of their old page, and forgets them: a row deleted later would survive there.
So what is about people lies in tables whose rows only ever come at the end, are emptied rather than deleted and keep
their size when they change; their pages are never split or joined. Indexes, whose pages are, hold 64-bit digests,
times and numbers, and no text.
"""

from __future__ import annotations

_FIRST = """
CREATE TABLE events (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    event_key INTEGER,    -- digest of event_id; this and all below NULL: emptied
    owner_key INTEGER,    -- digest of the user or, without one, of the visitor
    device_key INTEGER,   -- digest of the visitor of an event that is a user's, NULL without one
    event_id TEXT, event_type TEXT, time_us INTEGER, user_id TEXT, visitor_id TEXT, item_id TEXT,
    quantity REAL, price REAL, currency_code TEXT, session_id TEXT, query TEXT, platform TEXT, value REAL,
    request_id TEXT
);
CREATE INDEX events_by_id ON events (event_key) WHERE event_key IS NOT NULL;
CREATE INDEX events_by_owner ON events (owner_key, time_us) WHERE owner_key IS NOT NULL;
CREATE INDEX events_by_device ON events (device_key) WHERE device_key IS NOT NULL;

CREATE TABLE slates (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_key INTEGER, device_key INTEGER, user_id TEXT, visitor_id TEXT,
    slate TEXT  -- JSON of all else
);
CREATE INDEX slates_by_owner ON slates (owner_key) WHERE owner_key IS NOT NULL;
CREATE INDEX slates_by_device ON slates (device_key) WHERE device_key IS NOT NULL;

CREATE TABLE profiles (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    user_key INTEGER, user_id TEXT,
    attributes TEXT  -- JSON, padded so that most changes keep its length
);
CREATE INDEX profiles_by_user ON profiles (user_key) WHERE user_key IS NOT NULL;

CREATE TABLE links (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    visitor_key INTEGER, user_key INTEGER, visitor_id TEXT, user_id TEXT
);
CREATE INDEX links_by_visitor ON links (visitor_key) WHERE visitor_key IS NOT NULL;
CREATE INDEX links_by_user ON links (user_key) WHERE user_key IS NOT NULL;

CREATE TABLE erasures (digest BLOB PRIMARY KEY, erased_us INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE items (
    item_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,  -- 0: inventory held for an item that nobody knows yet
    item TEXT NOT NULL,        -- JSON
    held_us INTEGER            -- since when inventory is held
) WITHOUT ROWID;
CREATE INDEX items_by_version ON items (version);
CREATE INDEX items_held ON items (held_us) WHERE held_us IS NOT NULL;

CREATE TABLE vectors (
    model TEXT, digest TEXT, vector BLOB NOT NULL,  -- little-endian float32
    PRIMARY KEY (model, digest)
) WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST,)
