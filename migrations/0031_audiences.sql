-- The service under whose key a delegation's tokens are signed; inherited by all below. Without foreign key: services are
-- never deleted, only marked.
ALTER TABLE delegations ADD COLUMN audience_service_id uuid;

-- For ending the tokens of a service that is deleted, and for finding out whether a subtree has anything to do with one.
CREATE INDEX delegations_by_audience ON delegations (tenant_id, audience_service_id, place)
    WHERE audience_service_id IS NOT NULL;
