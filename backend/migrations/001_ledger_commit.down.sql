-- The service reads the column through to_jsonb, so it works on either side of this file.

ALTER TABLE pricing_pack DROP COLUMN ledger_commit_hash;
