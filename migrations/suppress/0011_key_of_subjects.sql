-- Under which key of its store a subject is: another store, or one whose key was made anew, finds nobody by it. A hash of the
-- key, which tells nothing of it. NULL: an earlier release noted none.
ALTER TABLE tradewind.suppressed_subject ADD COLUMN key_id text;
