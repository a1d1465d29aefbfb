-- Who agreed to an action: user:ID, key:ID, both joined by "+", or "person" for the command line. settled_by says the same of what
-- became of it.
ALTER TABLE action ADD COLUMN approved_by text;
