-- People, chats and messages; adopts the older deployment's database where there is one.
--
-- Every statement works on an empty database and on the older one, and may be run again: tables are
-- created only if missing, with the columns that the older deployment already had, and everything
-- newer is added to whichever table stands there. No row is lost, and what a row said it still says:
-- rows are updated only to fill in what is new. Adopted `json` columns stay json: jsonb would rewrite
-- the table, and nothing searches inside them.

-- An older deployment that still writes holds locks that this migration needs. Better to fail with a
-- name for it than to queue behind them and block every reader meanwhile.
set local lock_timeout = '3s';
-- A big adopted table may take longer than a request ever may.
set local statement_timeout = 0;

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

update conversations
set guid = coalesce(nullif(regexp_replace(chat_guid, '^(iMessage|SMS|RCS|any);', ''), ''), chat_guid)
where guid is null;
alter table conversations alter column guid set not null;

-- The older deployment kept one conversation per service, where a merged chat now has one. The line
-- column tells such twins apart: the oldest keeps '', the others are marked, and nothing is merged.
update conversations c
set line = 'adopted:' || c.chat_guid
where c.line = '' and exists (
  select 1 from conversations o
  where o.relay = c.relay and o.guid = c.guid and o.line = ''
    and (o.created_at, o.id) < (c.created_at, c.id)
);

create unique index if not exists conversations_identity on conversations (relay, guid, line);
create index if not exists conversations_by_user on conversations (user_id, created_at)
  where user_id is not null;

-- Every full guid under which a conversation was ever seen.
create table if not exists conversation_aliases (
  conversation_id uuid not null references conversations (id) on delete cascade,
  chat_guid text not null,
  created_at timestamptz not null,
  primary key (conversation_id, chat_guid)
);

insert into conversation_aliases (conversation_id, chat_guid, created_at)
select id, chat_guid, created_at from conversations
on conflict do nothing;

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

-- The older deployment noted Messages' guid inside its json. With it a late retry of an adopted
-- message is recognised. The digest is that of the wire protocol: length-prefixed relay, guid, event
-- and revision. A guid that was stored twice identifies only its first row.
with readable as (
  -- json may hold \u0000, which no function can turn into text.
  select id, created_at,
         case when meta_data::text not like '%\u0000%' then meta_data end as meta_data
  from messages
  where identity is null and body_hash is null and role = 'user'
), noted as (
  select id, meta_data ->> 'guid' as guid,
         row_number() over (partition by meta_data ->> 'guid' order by created_at, id) as nth
  from readable
  where json_typeof(meta_data -> 'guid') = 'string'
)
update messages m
set message_guid = noted.guid,
    identity = 'msg_' || encode(substring(sha256(
      'archety.message.v1'::bytea
      || int8send(7) || 'default'::bytea
      || int8send(octet_length(noted.guid)) || convert_to(noted.guid, 'UTF8')
      || int8send(7) || 'message'::bytea
      || int8send(1) || '0'::bytea
    ) from 1 for 16), 'hex')
from noted
where m.id = noted.id and noted.nth = 1 and char_length(noted.guid) between 1 and 512
  and not exists (
    select 1 from messages o where o.relay = 'default' and o.message_guid = noted.guid
  );

create unique index if not exists messages_identity on messages (relay, identity);
create index if not exists messages_by_conversation on messages (conversation_id, created_at);
drop index if exists ix_messages_conversation_id;
create index if not exists messages_by_user on messages (user_id, created_at) where user_id is not null;
-- Where a relay that lost its state resumes.
create index if not exists messages_newest on messages (relay, created_at desc)
  where message_guid is not null and event = 'message' and not is_backfill;

-- The owner of an adopted direct conversation is whoever wrote in it first.
update conversations c
set user_id = first.user_id, owner_handle = first.phone
from (
  select distinct on (m.conversation_id) m.conversation_id, m.user_id, u.phone
  from messages m join users u on u.id = m.user_id
  order by m.conversation_id, m.created_at, m.id
) first
where first.conversation_id = c.id and c.mode = 'direct' and c.owner_handle is null;

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
