-- Sign-in: codes and their challenges, sessions, limits, the queue of durable jobs, the record of what
-- happened, and what is left of a person who was deleted. As in 0001 every statement is harmless when
-- run again, and none rewrites an adopted table: columns are added without a default or with a constant
-- one, which is a change of the catalogue alone. Indexes on adopted tables follow in 0007.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

alter table users
  add column if not exists last_sign_in_at timestamptz,
  -- A number that fell silent and was signed in with again belongs to somebody else by now. The old
  -- person keeps everything but the number, which moves from `phone` to `archived_phone`.
  add column if not exists archived_at timestamptz,
  add column if not exists archived_phone text,
  -- Why an adopted number is nobody's who signs in: `not_e164`, or `collides` with another row's once
  -- both are written the same way. Kept, never merged.
  add column if not exists phone_flag text;

alter table relationships
  add column if not exists message_count bigint not null default 0;

-- What is to be forgotten of a number in group chats is found by the number.
create index if not exists participants_by_handle on participants (handle);

-- Who a person is at the identity provider. The row is written before the provider is asked, so that
-- simultaneous first sign-ins agree on one subject.
create table if not exists accounts (
  issuer text not null,
  user_id uuid not null references users (id) on delete cascade,
  subject uuid not null,
  created_at timestamptz not null,
  -- Set once the provider has confirmed the subject.
  confirmed_at timestamptz,
  -- Until when one replica alone may be repairing the account at the provider.
  repair_until timestamptz,
  primary key (issuer, user_id),
  unique (issuer, subject)
);
create index if not exists accounts_by_user on accounts (user_id);

-- A code that was sent. Numbers appear as keyed hashes alone: these rows serve limits, not people.
create table if not exists otp_codes (
  id uuid primary key,
  phone_hash bytea not null,
  channel text not null,
  provider text not null,
  -- The provider's name for it, where the provider checks codes.
  provider_ref text,
  -- Keyed hash of the code, where we check it.
  code_hash bytea,
  is_test boolean not null,
  -- The row is written before the provider is asked, so that simultaneous starts send one message.
  reserved_at timestamptz not null,
  -- Null while the provider's answer is awaited; whoever awaited it may have died.
  sent_at timestamptz,
  expires_at timestamptz not null,
  -- Approved, refused for good or given up: nothing joins it any more.
  spent_at timestamptz
);
create unique index if not exists otp_codes_live on otp_codes (phone_hash, channel)
  where spent_at is null;
create index if not exists otp_codes_by_expiry on otp_codes (expires_at);

-- One start of a verification. Several may share a code; each is bound to whoever began it.
create table if not exists otp_challenges (
  id uuid primary key,
  code_id uuid not null references otp_codes (id) on delete cascade,
  phone_hash bytea not null,
  -- Digest of the browser's pre-session; null for an app.
  binding bytea,
  -- The session that asks for step-up; null for a sign-in.
  session_id uuid,
  attempts integer not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- An approval outlives a failing identity provider: until then this code opens one session.
  approved_at timestamptz,
  approved_code_hash bytea,
  used_at timestamptz
);
create index if not exists otp_challenges_by_phone on otp_challenges (phone_hash, created_at);
create index if not exists otp_challenges_by_code on otp_challenges (code_id);
create index if not exists otp_challenges_by_expiry on otp_challenges (expires_at);

-- Counters of fixed windows: codes sent, codes tried, conversions. `key` is a keyed hash or a public
-- prefix, never a number.
create table if not exists rate_counters (
  scope text not null,
  key bytea not null,
  window_start timestamptz not null,
  count bigint not null,
  expires_at timestamptz not null,
  primary key (scope, key, window_start)
);
create index if not exists rate_counters_by_expiry on rate_counters (expires_at);

create table if not exists sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  -- `cookie` or `bearer`.
  transport text not null,
  issuer text not null,
  remember boolean not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  idle_expires_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  end_reason text,
  -- When a code was last confirmed in this session, and whether it was a real one.
  step_up_at timestamptz,
  step_up_is_test boolean not null,
  -- What the person recognises it by: `Safari on iPhone`.
  device text,
  -- Counter of the refresh token that was handed out last.
  token_counter bigint not null,
  -- The provider's own session, and digests of the access tokens that it issued to it last: a token
  -- that cannot be verified by a public key is compared with these.
  upstream_session_id text,
  access_hash bytea,
  previous_access_hash bytea,
  access_expires_at timestamptz,
  -- Access and refresh token of the provider, sealed.
  upstream_tokens bytea,
  -- Counts changes of `upstream_tokens`; whoever writes compares it.
  upstream_version bigint not null,
  -- Until when one replica alone may be asking the provider for the next tokens.
  upstream_lease_until timestamptz
);
create index if not exists sessions_by_user on sessions (user_id, created_at);
create index if not exists sessions_by_upstream on sessions (upstream_session_id)
  where upstream_session_id is not null;
create index if not exists sessions_by_expiry on sessions (expires_at);
create index if not exists sessions_by_end on sessions (ended_at) where ended_at is not null;

-- Refresh tokens of a session, as digests: the one handed out last and the two before it.
create table if not exists session_tokens (
  session_id uuid not null references sessions (id) on delete cascade,
  counter bigint not null,
  token_hash bytea not null,
  -- The key of the keyring that it derives from.
  key_id text not null,
  issued_at timestamptz not null,
  first_used_at timestamptz,
  primary key (session_id, counter)
);

-- Work that must happen although the process may die: logging out and deleting at the provider.
create table if not exists jobs (
  id uuid primary key,
  kind text not null,
  -- Sealed, for it may carry tokens.
  payload bytea not null,
  run_at timestamptz not null,
  locked_until timestamptz,
  attempts integer not null,
  created_at timestamptz not null,
  -- Given up after too many attempts; kept to be looked at.
  dead_at timestamptz
);
create index if not exists jobs_by_time on jobs (run_at) where dead_at is null;

-- What happened at the door. No number, no address: a person appears by id, until they are deleted.
create table if not exists auth_events (
  id uuid primary key,
  occurred_at timestamptz not null,
  kind text not null,
  outcome text not null,
  user_id uuid references users (id) on delete set null,
  session_id uuid,
  request_id text
);
create index if not exists auth_events_by_time on auth_events (occurred_at);
create index if not exists auth_events_by_user on auth_events (user_id, occurred_at)
  where user_id is not null;

-- What is left of a deleted person: keyed hashes, so that a late retry does not bring a message back
-- and a wish to be left alone stays known.
create table if not exists tombstones (
  hash bytea primary key,
  kind text not null,
  created_at timestamptz not null,
  -- Null: for ever.
  expires_at timestamptz
);
create index if not exists tombstones_by_expiry on tombstones (expires_at)
  where expires_at is not null;

-- Keys that the database keeps, sealed under SESSION_SECRET: signing keys of access tokens, and the
-- key of all keyed hashes.
create table if not exists sealed_keys (
  id text primary key,
  purpose text not null,
  sealed bytea not null,
  created_at timestamptz not null,
  -- From then on it signs nothing; until `expires_at` it still verifies.
  retired_at timestamptz,
  expires_at timestamptz
);
create index if not exists sealed_keys_by_purpose on sealed_keys (purpose, created_at);
