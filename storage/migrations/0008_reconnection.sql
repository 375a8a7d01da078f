-- For how many seconds a broadcast waits for a publisher that was lost; NULL: as the server's setting says.
ALTER TABLE streams ADD COLUMN reconnect_s BIGINT;
-- Whether a second publisher may stand by: 0 or 1.
ALTER TABLE streams ADD COLUMN backup_publisher BIGINT NOT NULL DEFAULT 0;
