-- What viewers read below the picture; may be empty.
ALTER TABLE streams ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- Each with a line feed before and behind it: no tag has one in it.
ALTER TABLE streams ADD COLUMN tags TEXT NOT NULL DEFAULT '';
-- Networks from which may be published, with a space between; empty: all.
ALTER TABLE streams ADD COLUMN publishers TEXT NOT NULL DEFAULT '';

-- An order of listings.
CREATE INDEX streams_by_title ON streams (title, id);

-- Whose it is: as of the stream, also after that was deleted. NULL: the operator's.
ALTER TABLE recordings ADD COLUMN owner_id TEXT REFERENCES users (id) ON DELETE SET NULL;
UPDATE recordings SET owner_id = (SELECT owner_id FROM streams WHERE streams.id = recordings.stream_id);
-- Names of its renditions with a space between; empty: not known, as of all that are there already.
ALTER TABLE recordings ADD COLUMN renditions TEXT NOT NULL DEFAULT '';

CREATE INDEX recordings_by_owner ON recordings (owner_id, started_at_ms, id);

CREATE INDEX webhooks_by_owner ON webhooks (owner_id, created_at_ms, id);
