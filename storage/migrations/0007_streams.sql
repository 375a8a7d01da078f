-- What viewers read below the picture; may be empty.
ALTER TABLE streams ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- Each with a line feed before and behind it: no tag has one in it.
ALTER TABLE streams ADD COLUMN tags TEXT NOT NULL DEFAULT '';
-- Both in lowercase, made by the server: the databases do not agree on what that is. Of titles that
-- are there already SQLite leaves letters beyond ASCII as they are.
ALTER TABLE streams ADD COLUMN title_lower TEXT NOT NULL DEFAULT '';
ALTER TABLE streams ADD COLUMN tags_lower TEXT NOT NULL DEFAULT '';
UPDATE streams SET title_lower = LOWER(title);
-- Networks from which may be published, with a space between; empty: all.
ALTER TABLE streams ADD COLUMN publishers TEXT NOT NULL DEFAULT '';

-- An order of listings.
CREATE INDEX streams_by_title ON streams (title_lower, id);

-- Whose it is: as of the stream, also after that was deleted. NULL: the operator's.
ALTER TABLE recordings ADD COLUMN owner_id TEXT REFERENCES users (id) ON DELETE SET NULL;
UPDATE recordings SET owner_id = (SELECT owner_id FROM streams WHERE streams.id = recordings.stream_id);
-- Names of its renditions with a space between; empty: not known, as of all that are there already.
ALTER TABLE recordings ADD COLUMN renditions TEXT NOT NULL DEFAULT '';

-- As of a stream.
ALTER TABLE recordings ADD COLUMN stream_title_lower TEXT NOT NULL DEFAULT '';
UPDATE recordings SET stream_title_lower = LOWER(stream_title);

CREATE INDEX recordings_by_owner ON recordings (owner_id, started_at_ms, id);

CREATE INDEX webhooks_by_owner ON webhooks (owner_id, created_at_ms, id);
