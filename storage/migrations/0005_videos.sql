-- The VOD library: imported recordings and encoded uploads.
CREATE TABLE videos (
    id TEXT NOT NULL PRIMARY KEY,
    -- NULL: the operator's.
    owner_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    -- NULL until it is ready. Several videos and a recording may play the same media.
    asset_id TEXT REFERENCES assets (id),
    -- Which recording it was imported from. No reference: it outlives that.
    recording_id TEXT,
    title TEXT NOT NULL,
    -- In lowercase, made by the server, for searching and sorting: the databases do not agree on
    -- what that is.
    title_lower TEXT NOT NULL,
    description TEXT NOT NULL,
    description_lower TEXT NOT NULL,
    visibility TEXT NOT NULL CHECK (visibility IN ('public', 'unlisted', 'private')),
    status TEXT NOT NULL CHECK (status IN ('uploading', 'queued', 'processing', 'ready', 'failed')),
    -- Why it failed, for people.
    reason TEXT,
    progress_permille BIGINT NOT NULL CHECK (progress_permille BETWEEN 0 AND 1000),
    duration_ms BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    -- What the uploaded file was called.
    source_name TEXT,
    views BIGINT NOT NULL,
    -- How many rows of video_likes there are, for sorting.
    likes BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    -- When it could first be played.
    published_at_ms BIGINT
);

-- The orders of listings, and what is looked up.
CREATE INDEX videos_by_creation ON videos (created_at_ms, id);
CREATE INDEX videos_by_views ON videos (views, id);
CREATE INDEX videos_by_likes ON videos (likes, id);
CREATE INDEX videos_by_title ON videos (title_lower, id);
CREATE INDEX videos_by_owner ON videos (owner_id, created_at_ms, id);
CREATE INDEX videos_by_asset ON videos (asset_id);

CREATE TABLE video_tags (
    video_id TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    -- In the order in which they were given.
    position BIGINT NOT NULL,
    tag TEXT NOT NULL,
    tag_lower TEXT NOT NULL,
    PRIMARY KEY (video_id, tag_lower)
);

CREATE INDEX video_tags_by_tag ON video_tags (tag_lower, video_id);

CREATE TABLE video_likes (
    video_id TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (video_id, user_id)
);

CREATE INDEX video_likes_by_user ON video_likes (user_id);

CREATE TABLE video_chapters (
    video_id TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    start_ms BIGINT NOT NULL,
    title TEXT NOT NULL,
    PRIMARY KEY (video_id, start_ms)
);

CREATE TABLE video_subtitles (
    video_id TEXT NOT NULL REFERENCES videos (id) ON DELETE CASCADE,
    -- Stands in URLs.
    name TEXT NOT NULL,
    -- A language tag (BCP 47).
    language TEXT NOT NULL,
    -- What a player's menu calls them.
    label TEXT NOT NULL,
    is_default BIGINT NOT NULL CHECK (is_default IN (0, 1)),
    webvtt TEXT NOT NULL,
    PRIMARY KEY (video_id, name)
);

-- Files that are on their way to this server, or wait to be encoded. A row is there before its file
-- is, and goes when that is gone.
CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    -- NULL: the video was deleted.
    video_id TEXT REFERENCES videos (id) ON DELETE SET NULL,
    owner_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    -- 'spent': nobody needs its file any more, which is to be removed.
    status TEXT NOT NULL CHECK (status IN ('open', 'complete', 'spent')),
    -- Bytes that are safe on the disk, of all that are to come.
    offset_bytes BIGINT NOT NULL,
    length_bytes BIGINT NOT NULL,
    -- While it is open.
    expires_at_ms BIGINT NOT NULL,
    -- What the uploader said of it, as it was sent.
    metadata TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    -- With its last byte it is complete: an uploader that reads that all is there sends no more.
    CHECK (status <> 'open' OR offset_bytes < length_bytes)
);

CREATE INDEX uploads_by_creation ON uploads (created_at_ms, id);
CREATE INDEX uploads_by_status ON uploads (status, expires_at_ms);
CREATE INDEX uploads_by_video ON uploads (video_id);
CREATE INDEX uploads_by_owner ON uploads (owner_id, status);

-- What is to be encoded, at most one a video.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    video_id TEXT NOT NULL UNIQUE REFERENCES videos (id) ON DELETE CASCADE,
    -- NULL: its file is gone.
    upload_id TEXT REFERENCES uploads (id) ON DELETE SET NULL,
    -- What the attempt that runs writes.
    asset_id TEXT REFERENCES assets (id),
    status TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed')),
    -- Attempts begun. Each has its number, by which a process that was overtaken is recognised.
    attempts BIGINT NOT NULL,
    -- While queued: not before this.
    next_at_ms BIGINT NOT NULL,
    -- Which process runs it, and when that was last heard of.
    claimed_by TEXT,
    heartbeat_at_ms BIGINT,
    -- Why the last attempt failed, for people.
    reason TEXT
);

CREATE INDEX jobs_by_due ON jobs (status, next_at_ms, id);
CREATE INDEX jobs_by_upload ON jobs (upload_id);
