-- What a stream's owner wants of its recordings. NULL is always the server's setting.
-- 0: not recorded, 1: recorded.
ALTER TABLE streams ADD COLUMN record BIGINT CHECK (record IN (0, 1));
-- Names of renditions with a space between; NULL: all.
ALTER TABLE streams ADD COLUMN record_renditions TEXT;
-- 0: for ever.
ALTER TABLE streams ADD COLUMN retention_days BIGINT CHECK (retention_days >= 0);
-- 0: without a bound.
ALTER TABLE streams ADD COLUMN retention_bytes BIGINT CHECK (retention_bytes >= 0);

-- Encoded media on a disk or in an object store. A row is there before its files are, and goes when
-- they are gone: files are never without one.
CREATE TABLE assets (
    id TEXT NOT NULL PRIMARY KEY,
    -- 'gone': nothing refers to it any more, and its files are to be removed.
    status TEXT NOT NULL CHECK (status IN ('writing', 'whole', 'interrupted', 'gone')),
    -- Where its media is: the data folder, or the object store.
    place TEXT NOT NULL CHECK (place IN ('local', 'objects')),
    bytes BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    -- Which server writes it, or wrote it; NULL: not known.
    writer TEXT,
    -- While it is written: when its writer was last heard of.
    heard_at_ms BIGINT
);

CREATE INDEX assets_by_status ON assets (status);

CREATE TABLE recordings (
    id TEXT NOT NULL PRIMARY KEY,
    -- NULL: there is nothing to play.
    asset_id TEXT REFERENCES assets (id),
    -- No reference: a recording outlives its stream, and keeps its last title and visibility.
    stream_id TEXT NOT NULL,
    stream_title TEXT NOT NULL,
    broadcast_id TEXT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT,
    status TEXT NOT NULL CHECK (status IN ('recording', 'ready', 'interrupted', 'failed')),
    -- Why it is not all of its broadcast.
    reason TEXT,
    private BIGINT NOT NULL CHECK (private IN (0, 1)),
    -- 1: retention leaves it alone.
    protected BIGINT NOT NULL DEFAULT 0 CHECK (protected IN (0, 1))
);

-- The orders of listings.
CREATE INDEX recordings_by_start ON recordings (started_at_ms, id);
CREATE INDEX recordings_by_stream ON recordings (stream_id, started_at_ms, id);
CREATE INDEX recordings_by_status ON recordings (status, started_at_ms, id);
CREATE INDEX recordings_by_asset ON recordings (asset_id);
