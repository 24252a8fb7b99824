-- People, chats and messages; adopts the older deployment's database where there is one.
--
-- Every statement works on an empty database and on the older one, and may be run again: tables are
-- created only if missing, with the columns that the older deployment already had, and everything
-- newer is added to whichever table stands there. No row is lost, and what a row said it still says:
-- rows are updated only to fill in what is new. Adopted `json` columns stay json: jsonb would rewrite
-- the table, and nothing searches inside them.

-- Changes of the catalogue alone: readers of an adopted table wait for as long as this file takes, and
-- no longer because the table is big. What reads or writes rows comes in files of its own, 0004 to 0007,
-- once these locks are gone. From the commit on the older deployment can write nothing more: it knows
-- neither `meta_data` nor `guid`.

-- First everybody who writes, which blocks no reader. An older deployment that still writes makes this
-- fail, and better so than queueing behind it.
set local lock_timeout = '3s';
-- plan: share row exclusive on users, conversations, messages, relationships
do $$
declare
  adopted text;
begin
  foreach adopted in array array['users', 'conversations', 'messages', 'relationships'] loop
    if to_regclass(adopted) is not null then
      execute format('lock table %I in share row exclusive mode', adopted);
    end if;
  end loop;
end
$$;
-- Then everybody who reads: whoever comes while this waits would wait with it.
set local lock_timeout = '500ms';

create table if not exists app_meta (
  key text primary key,
  value text not null,
  updated_at timestamptz not null
);

create table if not exists users (
  id uuid primary key default gen_random_uuid(),
  phone text not null unique,
  name text,
  meta_data json,
  created_at timestamptz not null default now(),
  updated_at timestamptz
);

create table if not exists conversations (
  id uuid primary key default gen_random_uuid(),
  chat_guid text not null,
  mode text not null,
  meta_data json,
  created_at timestamptz not null default now()
);

create table if not exists messages (
  id uuid primary key default gen_random_uuid(),
  conversation_id uuid not null references conversations (id) on delete cascade,
  user_id uuid references users (id) on delete set null,
  role text not null,
  text text not null,
  meta_data json,
  created_at timestamptz not null default now()
);

create table if not exists relationships (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users (id) on delete cascade,
  persona_id text not null,
  trust_score double precision not null default 0,
  stage text not null default 'new',
  meta_data json,
  last_interaction_at timestamptz,
  unique (user_id, persona_id)
);

-- plan: access exclusive on users, conversations, messages, relationships
do $$
declare
  adopted text;
begin
  foreach adopted in array array['users', 'conversations', 'messages', 'relationships'] loop
    if exists (
      select 1 from information_schema.columns
      where table_schema = current_schema() and table_name = adopted and column_name = 'metadata'
    ) then
      execute format('alter table %I rename column metadata to meta_data', adopted);
    end if;
  end loop;
end
$$;

-- From varchar(n) to text is a change of the catalogue alone; neither table nor index is rewritten.
-- Only where it is due: a column that a policy reads cannot be altered, not even to what it is.
-- plan: access exclusive on users, conversations, messages, relationships
do $$
declare
  narrow record;
begin
  for narrow in
    select table_name, column_name from information_schema.columns
    where table_schema = current_schema() and data_type = 'character varying'
      and table_name in ('users', 'conversations', 'messages', 'relationships')
  loop
    execute format('alter table %I alter column %I type text', narrow.table_name, narrow.column_name);
  end loop;
end
$$;

-- A conversation is (relay, line, guid without its service prefix): the same chat on two Macs is two
-- inboxes, so a chat guid alone is no longer unique. Adopted ones belong to relay `default`.
alter table conversations drop constraint if exists conversations_chat_guid_key;
alter table conversations
  add column if not exists relay text not null default 'default',
  -- The own address that the chat runs on; '' until a message names one, never null, so that the
  -- unique index below sees two conversations without a line as the same.
  add column if not exists line text not null default '',
  add column if not exists guid text,
  -- The first sender, kept for ever: a later sender in the same chat never takes it over.
  add column if not exists owner_handle text,
  add column if not exists user_id uuid references users (id) on delete set null,
  -- Digest of the participants last written, so that an unchanged list costs no write.
  add column if not exists participants_digest bytea;

-- Rows get their guid later; new ones need it from now on. Not null itself would read the table under
-- these locks: it follows once a check of the same has been validated.
-- plan: access exclusive on conversations
do $$
begin
  if not exists (select 1 from pg_constraint where conname = 'conversations_guid_present')
    and not (select attnotnull from pg_attribute
             where attrelid = to_regclass('conversations') and attname = 'guid') then
    alter table conversations
      add constraint conversations_guid_present check (guid is not null) not valid;
  end if;
end
$$;

-- Every full guid under which a conversation was ever seen.
create table if not exists conversation_aliases (
  conversation_id uuid not null references conversations (id) on delete cascade,
  chat_guid text not null,
  created_at timestamptz not null,
  primary key (conversation_id, chat_guid)
);

alter table messages
  add column if not exists relay text not null default 'default',
  -- What makes a retry the same message, unique per relay: the webhook-id derived from guid, event
  -- and revision, or the sender's own webhook-id, or the body's digest. Null for adopted messages
  -- whose guid was not kept.
  add column if not exists identity text,
  -- SHA-256 of the body; null for adopted messages, which accept any body as theirs.
  add column if not exists body_hash bytea,
  add column if not exists message_guid text,
  add column if not exists event text not null default 'message',
  add column if not exists revision integer not null default 0,
  add column if not exists sender text,
  add column if not exists service text,
  add column if not exists from_owner boolean not null default false,
  add column if not exists is_backfill boolean not null default false,
  -- The sender's clock; created_at is ours.
  add column if not exists sent_at timestamptz;

-- Every handle ever seen in a chat.
create table if not exists participants (
  conversation_id uuid not null references conversations (id) on delete cascade,
  handle text not null,
  created_at timestamptz not null,
  primary key (conversation_id, handle)
);

create table if not exists relays (
  name text primary key,
  -- Set for good once this named relay has signed a request: from then on its bearer is refused.
  hmac_seen_at timestamptz,
  lease_instance text,
  lease_expires_at timestamptz,
  status jsonb,
  last_seen_at timestamptz,
  created_at timestamptz not null
);

-- Signed requests already taken, so that none is taken twice. Rows outlive the signature's tolerance
-- on both sides and are then removed.
create table if not exists webhook_receipts (
  relay text not null,
  webhook_id text not null,
  signed_at bigint not null,
  received_at timestamptz not null,
  primary key (relay, webhook_id, signed_at)
);
create index if not exists webhook_receipts_by_age on webhook_receipts (received_at);

-- Bodies without guid or signature: the same body within ten minutes is the same message.
create table if not exists body_windows (
  relay text not null,
  body_hash bytea not null,
  opened_at timestamptz not null,
  primary key (relay, body_hash)
);
create index if not exists body_windows_by_age on body_windows (opened_at);

create table if not exists user_traits (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  name text not null,
  value jsonb not null,
  source text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  unique (user_id, name)
);

create table if not exists trait_profiles (
  user_id uuid primary key references users (id) on delete cascade,
  profile jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create table if not exists onboarding_sessions (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  persona_id text not null,
  stage text not null,
  answers jsonb not null,
  started_at timestamptz not null,
  updated_at timestamptz not null,
  completed_at timestamptz
);
create index if not exists onboarding_sessions_by_user on onboarding_sessions (user_id, started_at);
