-- The day a rate was published, which is before the pack's date after a weekend, a holiday, or the end of the history.
-- Nullable: packs built before this step made no such claim, and a pack is never changed.

ALTER TABLE fx_rates ADD COLUMN observed_on date;
