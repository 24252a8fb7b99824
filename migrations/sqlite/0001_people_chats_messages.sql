-- People, chats and messages: the same tables and columns as on Postgres, where the columns carry
-- their reasons. Ids are 16-byte blobs, times are integer microseconds since 1970 (text dates sort
-- wrongly once their precision differs), json is text.

create table app_meta (
  key text not null primary key,
  value text not null,
  updated_at integer not null
);

create table users (
  id blob not null primary key,
  phone text not null unique,
  name text,
  meta_data text,
  created_at integer not null,
  updated_at integer
);

create table conversations (
  id blob not null primary key,
  chat_guid text not null,
  mode text not null,
  meta_data text,
  created_at integer not null,
  relay text not null default 'default',
  line text not null default '',
  guid text not null,
  owner_handle text,
  user_id blob references users (id) on delete set null,
  participants_digest blob
);
create unique index conversations_identity on conversations (relay, guid, line);
create index conversations_by_user on conversations (user_id, created_at) where user_id is not null;

create table conversation_aliases (
  conversation_id blob not null references conversations (id) on delete cascade,
  chat_guid text not null,
  created_at integer not null,
  primary key (conversation_id, chat_guid)
) without rowid;

create table messages (
  id blob not null primary key,
  conversation_id blob not null references conversations (id) on delete cascade,
  user_id blob references users (id) on delete set null,
  role text not null,
  text text not null,
  meta_data text,
  created_at integer not null,
  relay text not null default 'default',
  identity text,
  body_hash blob,
  message_guid text,
  event text not null default 'message',
  revision integer not null default 0,
  sender text,
  service text,
  from_owner boolean not null default false,
  is_backfill boolean not null default false,
  sent_at integer
);
create unique index messages_identity on messages (relay, identity);
create index messages_by_conversation on messages (conversation_id, created_at);
create index messages_by_user on messages (user_id, created_at) where user_id is not null;
create index messages_newest on messages (relay, created_at desc)
  where message_guid is not null and event = 'message' and not is_backfill;

create table participants (
  conversation_id blob not null references conversations (id) on delete cascade,
  handle text not null,
  created_at integer not null,
  primary key (conversation_id, handle)
) without rowid;

create table relationships (
  id blob not null primary key,
  user_id blob not null references users (id) on delete cascade,
  persona_id text not null,
  trust_score real not null default 0,
  stage text not null default 'new',
  meta_data text,
  last_interaction_at integer,
  unique (user_id, persona_id)
);

create table relays (
  name text not null primary key,
  hmac_seen_at integer,
  lease_instance text,
  lease_expires_at integer,
  status text,
  last_seen_at integer,
  created_at integer not null
);

create table webhook_receipts (
  relay text not null,
  webhook_id text not null,
  signed_at integer not null,
  received_at integer not null,
  primary key (relay, webhook_id, signed_at)
) without rowid;
create index webhook_receipts_by_age on webhook_receipts (received_at);

create table body_windows (
  relay text not null,
  body_hash blob not null,
  opened_at integer not null,
  primary key (relay, body_hash)
) without rowid;
create index body_windows_by_age on body_windows (opened_at);

create table user_traits (
  id blob not null primary key,
  user_id blob not null references users (id) on delete cascade,
  name text not null,
  value text not null,
  source text not null,
  created_at integer not null,
  updated_at integer not null,
  unique (user_id, name)
);

create table trait_profiles (
  user_id blob not null primary key references users (id) on delete cascade,
  profile text not null,
  created_at integer not null,
  updated_at integer not null
);

create table onboarding_sessions (
  id blob not null primary key,
  user_id blob not null references users (id) on delete cascade,
  persona_id text not null,
  stage text not null,
  answers text not null,
  started_at integer not null,
  updated_at integer not null,
  completed_at integer
);
create index onboarding_sessions_by_user on onboarding_sessions (user_id, started_at);
