-- The commit of the ledger a pack was reconciled against. Nullable: older packs keep no claim, and adding a nullable
-- column without a default rewrites no row, which the append-only triggers would refuse.

ALTER TABLE pricing_pack ADD COLUMN ledger_commit_hash text
CHECK (ledger_commit_hash ~ '^[0-9a-f]{40}([0-9a-f]{24})?$');
