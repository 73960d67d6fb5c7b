-- Which servers are at work: each allows its share of what a rate limit allows in all. Outside the tenants' shard, and says
-- nothing of any of them.
CREATE TABLE servers (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON servers TO subgrant_app;
