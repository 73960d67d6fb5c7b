-- What whoever verifies tokens without asking must be told in the beginning: nodes that some token is refused for.
CREATE INDEX delegations_stopped ON delegations (tenant_id, id)
    WHERE revoked_at IS NOT NULL OR frozen_at IS NOT NULL OR tokens_valid_from IS NOT NULL
        OR audience_service_id IS NOT NULL AND token_generation > 0;
