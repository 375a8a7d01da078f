-- Who uses the API beside the operator, who holds a token of its own.
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- In lowercase, made by the server: the databases do not agree on what that is.
    name_lower TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    email_lower TEXT NOT NULL UNIQUE,
    -- Argon2id in the PHC string format.
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'streamer', 'viewer')),
    disabled BIGINT NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
    display_name TEXT NOT NULL DEFAULT '',
    bio TEXT NOT NULL DEFAULT '',
    created_at_ms BIGINT NOT NULL
);

CREATE INDEX users_by_creation ON users (created_at_ms, id);

-- One log-in each: the family of the refresh tokens that followed from it.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- When its newest token expires.
    expires_at_ms BIGINT NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at_ms);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token in lowercase hexadecimal; the token itself is stored nowhere.
    sha256 TEXT NOT NULL PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    -- 1: exchanged already. Kept until it expires, so that a second use is seen.
    used BIGINT NOT NULL DEFAULT 0 CHECK (used IN (0, 1)),
    expires_at_ms BIGINT NOT NULL
);

CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at_ms);

CREATE TABLE invitations (
    id TEXT NOT NULL PRIMARY KEY,
    code_sha256 TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('streamer', 'viewer')),
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    -- Whoever registered with it.
    used_by TEXT REFERENCES users (id) ON DELETE SET NULL,
    used_at_ms BIGINT
);

CREATE INDEX invitations_by_creation ON invitations (created_at_ms, id);

-- Changes through the API. Refers to nothing, since it outlives what it names.
CREATE TABLE audit_log (
    id TEXT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    -- 'operator', 'anonymous' or a user's id.
    actor TEXT NOT NULL,
    actor_name TEXT,
    action TEXT NOT NULL,
    subject TEXT,
    -- Names of the fields that were changed, with the values of some.
    detail TEXT,
    address TEXT
);

CREATE INDEX audit_log_by_time ON audit_log (at_ms, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor, at_ms, id);
CREATE INDEX audit_log_by_subject ON audit_log (subject, at_ms, id);

-- Without an owner a stream is the operator's: so are all that are there already.
ALTER TABLE streams ADD COLUMN owner_id TEXT REFERENCES users (id) ON DELETE SET NULL;

CREATE INDEX streams_by_owner ON streams (owner_id);
