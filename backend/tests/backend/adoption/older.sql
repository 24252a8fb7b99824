-- The older deployment's tables with a few fictional rows.
create table users (
  id uuid primary key default gen_random_uuid(),
  phone varchar(32) not null unique,
  name varchar(255),
  metadata json,
  created_at timestamptz not null default now(),
  updated_at timestamptz
);
create table conversations (
  id uuid primary key default gen_random_uuid(),
  chat_guid varchar(255) not null unique,
  mode varchar(16) not null,
  metadata json,
  created_at timestamptz not null default now()
);
create table messages (
  id uuid primary key default gen_random_uuid(),
  conversation_id uuid not null references conversations (id) on delete cascade,
  user_id uuid references users (id) on delete set null,
  role varchar(16) not null,
  text text not null,
  metadata json,
  created_at timestamptz not null default now()
);
create index ix_messages_conversation_id on messages (conversation_id);
create table relationships (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users (id) on delete cascade,
  persona_id varchar(64) not null,
  trust_score double precision not null default 0,
  stage varchar(32) not null default 'new',
  metadata json,
  last_interaction_at timestamptz,
  unique (user_id, persona_id)
);
insert into users (id, phone, name, metadata) values
  ('11111111-1111-4111-8111-111111111111', '+15550100001', 'Grace', '{"tz": "UTC"}'),
  ('22222222-2222-4222-8222-222222222222', '+15550100002', null, null),
  ('33333333-3333-4333-8333-333333333333', '15550100003', null, '{}');
insert into conversations (id, chat_guid, mode, metadata) values
  ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', 'iMessage;-;+15550100001', 'direct', null),
  ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', 'iMessage;+;chat655304561542537998', 'group', null);
insert into messages (conversation_id, user_id, role, text, metadata) values
  ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', '11111111-1111-4111-8111-111111111111', 'user', 'hi',
    '{"guid": "0A0A0A0A-0000-4000-8000-000000000001"}'),
  ('aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', null, 'assistant', 'hello', null),
  ('bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb', '22222222-2222-4222-8222-222222222222', 'user', 'all',
    '{"odd": "\u0000", "guid": "unreadable"}');
insert into relationships (user_id, persona_id, trust_score, metadata) values
  ('11111111-1111-4111-8111-111111111111', 'sage', 3.5, '{"nickname": "g"}');
