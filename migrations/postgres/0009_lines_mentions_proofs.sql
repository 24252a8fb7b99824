-- What a heartbeat tells of a relay's own addresses, who is mentioned in which message, and by which proof
-- a relay was seen last. Changes of the catalogue alone; rows follow in 0010.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

-- A line is a set of own addresses that count as one persona's. Each address stands here with the name of
-- its line, the name itself included. Replaced whenever a heartbeat tells another set.
create table if not exists relay_lines (
  relay text not null,
  address text not null,
  line text not null,
  primary key (relay, address)
);

-- Where a number stands in the `mentions` of a message's meta_data, so that deleting its person finds it.
create table if not exists mentions (
  message_id uuid not null references messages (id) on delete cascade,
  address text not null,
  primary key (message_id, address)
);
create index if not exists mentions_by_address on mentions (address);

-- For the operator's list of relays. Noted once a minute, not with every request.
alter table relays
  add column if not exists last_signed_at timestamptz,
  add column if not exists last_bearer_at timestamptz;

alter table relay_lines enable row level security;
revoke all on relay_lines from public, anon, authenticated, archety_user;
alter table mentions enable row level security;
revoke all on mentions from public, anon, authenticated, archety_user;
