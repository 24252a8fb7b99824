-- Sign-in: the same tables and columns as on Postgres, where the columns carry their reasons.

alter table users add column last_sign_in_at integer;
alter table users add column archived_at integer;
alter table users add column archived_phone text;
alter table users add column phone_flag text;

create index users_by_archived_phone on users (archived_phone)
  where archived_phone is not null;
alter table relationships add column message_count integer not null default 0;
create index participants_by_handle on participants (handle);

create table accounts (
  issuer text not null,
  user_id blob not null references users (id) on delete cascade,
  subject blob not null,
  created_at integer not null,
  confirmed_at integer,
  repair_until integer,
  primary key (issuer, user_id),
  unique (issuer, subject)
);
create index accounts_by_user on accounts (user_id);

create table otp_codes (
  id blob not null primary key,
  phone_hash blob not null,
  channel text not null,
  provider text not null,
  provider_ref text,
  code_hash blob,
  is_test boolean not null,
  reserved_at integer not null,
  sent_at integer,
  expires_at integer not null,
  spent_at integer
);
create unique index otp_codes_live on otp_codes (phone_hash, channel)
  where spent_at is null;
create index otp_codes_by_expiry on otp_codes (expires_at);

create table otp_challenges (
  id blob not null primary key,
  code_id blob not null references otp_codes (id) on delete cascade,
  phone_hash blob not null,
  binding blob,
  session_id blob,
  attempts integer not null,
  created_at integer not null,
  expires_at integer not null,
  approved_at integer,
  approved_code_hash blob,
  used_at integer
);
create index otp_challenges_by_phone on otp_challenges (phone_hash, created_at);
create index otp_challenges_by_code on otp_challenges (code_id);
create index otp_challenges_by_expiry on otp_challenges (expires_at);

create table rate_counters (
  scope text not null,
  key blob not null,
  window_start integer not null,
  count integer not null,
  expires_at integer not null,
  primary key (scope, key, window_start)
);
create index rate_counters_by_expiry on rate_counters (expires_at);

create table sessions (
  id blob not null primary key,
  user_id blob not null references users (id) on delete cascade,
  transport text not null,
  issuer text not null,
  remember boolean not null,
  created_at integer not null,
  last_seen_at integer not null,
  idle_expires_at integer not null,
  expires_at integer not null,
  ended_at integer,
  end_reason text,
  step_up_at integer,
  step_up_is_test boolean not null,
  device text,
  token_counter integer not null,
  upstream_session_id text,
  access_hash blob,
  previous_access_hash blob,
  access_expires_at integer,
  upstream_tokens blob,
  upstream_version integer not null,
  upstream_lease_until integer
);
create index sessions_by_user on sessions (user_id, created_at);
create index sessions_by_upstream on sessions (upstream_session_id)
  where upstream_session_id is not null;
create index sessions_by_expiry on sessions (expires_at);
create index sessions_by_end on sessions (ended_at) where ended_at is not null;

create table session_tokens (
  session_id blob not null references sessions (id) on delete cascade,
  counter integer not null,
  token_hash blob not null,
  key_id text not null,
  issued_at integer not null,
  first_used_at integer,
  primary key (session_id, counter)
);

create table jobs (
  id blob not null primary key,
  kind text not null,
  payload blob not null,
  run_at integer not null,
  locked_until integer,
  attempts integer not null,
  created_at integer not null,
  dead_at integer
);
create index jobs_by_time on jobs (run_at) where dead_at is null;

create table auth_events (
  id blob not null primary key,
  occurred_at integer not null,
  kind text not null,
  outcome text not null,
  user_id blob references users (id) on delete set null,
  session_id blob,
  request_id text
);
create index auth_events_by_time on auth_events (occurred_at);
create index auth_events_by_user on auth_events (user_id, occurred_at)
  where user_id is not null;

create table tombstones (
  hash blob not null primary key,
  kind text not null,
  created_at integer not null,
  expires_at integer
);
create index tombstones_by_expiry on tombstones (expires_at)
  where expires_at is not null;

create table sealed_keys (
  id text not null primary key,
  purpose text not null,
  sealed blob not null,
  created_at integer not null,
  retired_at integer,
  expires_at integer
);
create index sealed_keys_by_purpose on sealed_keys (purpose, created_at);
