-- What the first relay calls itself that came with a secret without a name: it stays `default`, others with
-- the same secret are told apart from it. An earlier version leaves it as it is. A change of the catalogue
-- alone.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

alter table relays
  add column if not exists edge_agent text;
