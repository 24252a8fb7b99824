-- Turns, replies and commands: the same tables and columns as on Postgres, where they carry their reasons.

create table unanswered_messages (
  message_id blob not null primary key references messages (id) on delete cascade,
  conversation_id blob not null,
  received_at integer not null
);
create index unanswered_by_conversation on unanswered_messages (conversation_id, received_at);

create table turns (
  conversation_id blob not null references conversations (id) on delete cascade,
  number integer not null,
  outcome text not null,
  messages integer not null,
  newest_message_id blob references messages (id) on delete set null,
  command_id text,
  first_received_at integer not null,
  decided_at integer not null,
  resolved_at integer,
  primary key (conversation_id, number)
);
create index turns_by_decision on turns (decided_at);
create index turns_by_newest_message on turns (newest_message_id)
  where newest_message_id is not null;
create index turns_attention on turns (conversation_id)
  where outcome in ('too_old', 'failed', 'loop') and resolved_at is null;

create table commands (
  relay text not null,
  id text not null,
  seq integer not null,
  kind text not null,
  conversation_id blob references conversations (id) on delete set null,
  body text,
  body_hash blob not null,
  handed_to text,
  created_at integer not null,
  done_at integer,
  primary key (relay, id),
  unique (relay, seq)
);
create index commands_by_conversation on commands (conversation_id)
  where conversation_id is not null;
create index commands_open on commands (relay, seq) where done_at is null;
create index commands_done on commands (done_at) where done_at is not null;

create table command_bubbles (
  relay text not null,
  command_id text not null,
  bubble integer not null,
  message_id blob references messages (id) on delete set null,
  conversation_id blob,
  state text not null default 'pending',
  code text,
  reached_at integer,
  message_guid text,
  resolved_at integer,
  primary key (relay, command_id, bubble),
  foreign key (relay, command_id) references commands (relay, id) on delete cascade
);
create index command_bubbles_by_message on command_bubbles (message_id)
  where message_id is not null;
create index command_bubbles_by_conversation on command_bubbles (conversation_id)
  where conversation_id is not null;
create index command_bubbles_attention on command_bubbles (relay, command_id)
  where state in ('unknown', 'held', 'expired', 'failed') and resolved_at is null;
create index command_bubbles_by_guid on command_bubbles (relay, message_guid)
  where message_guid is not null;

create table line_owners (
  line text not null primary key,
  relay text not null,
  since integer not null
);

alter table messages add column chat_guid text;
alter table relays add column command_seq integer not null default 0;
alter table relays add column refused_instance text;
