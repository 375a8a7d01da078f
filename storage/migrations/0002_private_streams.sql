-- 1: viewers need a playback token. All streams that are there stay open to everyone.
ALTER TABLE streams ADD COLUMN private BIGINT NOT NULL DEFAULT 0 CHECK (private IN (0, 1));
