-- Addresses that are told of events.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    -- Whose streams and videos it is told of; null: the operator's, told of everybody's.
    owner_id TEXT,
    url TEXT NOT NULL,
    -- Readable, because every request is signed with it.
    secret TEXT NOT NULL,
    -- The names of the events, with one space between them.
    events TEXT NOT NULL,
    active BIGINT NOT NULL CHECK (active IN (0, 1)),
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
    -- While pending: not before this. An attempt moves it behind its own deadline, so that another
    -- process takes up what a dead one has left.
    next_at_ms BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'failed')),
    -- Of the last attempt: the HTTP status, else why there is none, and how the answer began.
    last_status BIGINT,
    last_error TEXT,
    last_answer TEXT,
    created_at_ms BIGINT NOT NULL,
    finished_at_ms BIGINT
);

-- What is due.
CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (status, next_at_ms);

-- A webhook's log.
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, created_at_ms, id);

-- What is old enough to be forgotten.
CREATE INDEX webhook_deliveries_by_creation ON webhook_deliveries (created_at_ms);
