-- What is counted drains evenly, so that whoever has used it up waits for the next attempt and not for the end of a window.
DROP TABLE sign_in_attempts;
CREATE TABLE attempt_levels (
    -- SHA-256 of what is counted.
    subject bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    counted_at timestamptz NOT NULL,
    level double precision NOT NULL CHECK (level >= 0),
    -- Whether the last attempt was one too many.
    is_full boolean NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON attempt_levels TO subgrant_app;
