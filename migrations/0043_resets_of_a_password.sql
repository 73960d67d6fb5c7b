-- A link sets the password that was there when it was made, and none that was chosen since: the account's password may be changed in
-- another tenant than the one that the link belongs to. NULL: made before this was noted.
ALTER TABLE password_resets ADD COLUMN password_version integer;
