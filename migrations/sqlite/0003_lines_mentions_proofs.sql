-- Lines, mentions, proofs: the same tables and columns as on Postgres, where they carry their reasons.

create table relay_lines (
  relay text not null,
  address text not null,
  line text not null,
  primary key (relay, address)
) without rowid;

create table mentions (
  message_id blob not null references messages (id) on delete cascade,
  address text not null,
  primary key (message_id, address)
) without rowid;
create index mentions_by_address on mentions (address);

alter table relays add column last_signed_at integer;
alter table relays add column last_bearer_at integer;
