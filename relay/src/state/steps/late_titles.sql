-- Whether a link was told by its address alone, so that a title which Messages finds later is news; null
-- for no.
alter table seen add column awaits_title integer check (awaits_title in (0, 1));
