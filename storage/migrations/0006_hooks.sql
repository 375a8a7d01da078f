-- Addresses that are told of events.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    -- Whose streams and videos it is told of; null: the operator's, told of everybody's.
    owner_id TEXT REFERENCES users (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    -- Readable, because every request is signed with it.
    secret TEXT NOT NULL,
    -- The names of the events, with one space between them.
    events TEXT NOT NULL,
    active BIGINT NOT NULL CHECK (active IN (0, 1)),
    -- One process at a time sends to it: until then, where it does not say earlier that it is done.
    busy_until_ms BIGINT NOT NULL DEFAULT 0,
    created_at_ms BIGINT NOT NULL
);

-- The order of listings.
CREATE INDEX webhooks_by_creation ON webhooks (created_at_ms, id);

-- Each event once for each webhook: the queue of what is to be sent, and the log of what was.
CREATE TABLE webhook_deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    -- The body of the request, as it is signed.
    payload TEXT NOT NULL,
    -- Attempts begun. Each has its number, by which a process that was overtaken is recognised.
    attempts BIGINT NOT NULL,
    -- While pending: not before this.
    next_at_ms BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
    -- Of the last attempt: the HTTP status, else why there is none, and how the answer began.
    last_status BIGINT,
    last_error TEXT,
    last_answer TEXT,
    created_at_ms BIGINT NOT NULL,
    finished_at_ms BIGINT
);

-- What of a webhook is due, and how much is pending.
CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (webhook_id, status, next_at_ms);
-- The same of one that is not active, which gets these alone.
CREATE INDEX webhook_deliveries_pings ON webhook_deliveries (webhook_id, next_at_ms)
    WHERE status = 'pending' AND event_type = 'ping';

-- A webhook's log, all of it and by status.
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, created_at_ms, id);
CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries (webhook_id, status, created_at_ms, id);

-- What is old enough to be forgotten.
CREATE INDEX webhook_deliveries_by_creation ON webhook_deliveries (created_at_ms);
