-- Whoever may do nothing is no holder. A row that said so could not be read.
ALTER TABLE delegations ADD CHECK (actions <> '');
