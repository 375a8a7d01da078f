-- One dialect for SQLite and PostgreSQL: ids and hashes are TEXT, times are BIGINT milliseconds.
CREATE TABLE streams (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    -- SHA-256 of the stream key in lowercase hexadecimal; the key itself is stored nowhere.
    key_sha256 TEXT NOT NULL UNIQUE,
    -- Readable, because SRT's handshake derives the cipher's key from it.
    srt_passphrase TEXT,
    created_at_ms BIGINT NOT NULL
);

-- The order of listings.
CREATE INDEX streams_by_creation ON streams (created_at_ms, id);

-- One row, raised by every write to streams, so that a running server sees with one small read
-- that another process has changed them.
CREATE TABLE stream_revision (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    value BIGINT NOT NULL
);

INSERT INTO stream_revision (only_row, value) VALUES (1, 0);
