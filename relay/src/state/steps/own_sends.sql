-- Version 7. The relay's own sends. An own row of a bubble of the ledger is written as outcome 'twin', which the previous
-- release reads, and has 1 here; null in all other rows.
alter table seen add column own integer check (own in (0, 1));
