-- What a hold is for, as its maker says it: kept for the spend that it becomes, unless the capture says something else.
ALTER TABLE holds
    ADD COLUMN description text,
    -- The caller's JSON object, as it was sent.
    ADD COLUMN metadata text;
