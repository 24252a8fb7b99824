-- Turns, the replies that answer them, and the commands by which a reply reaches a relay. New tables, and columns
-- without a default or of small tables: changes of the catalogue alone. An earlier version goes on beside them and
-- opens no turns.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

-- The messages that no turn has answered yet. A message stands here from its intake to the commit of its turn.
create table if not exists unanswered_messages (
  message_id uuid primary key references messages (id) on delete cascade,
  -- That of the message, so it needs no check of its own while messages are stored.
  conversation_id uuid not null,
  received_at timestamptz not null
);
create index if not exists unanswered_by_conversation on unanswered_messages (conversation_id, received_at);

-- What a conversation has said since it was last answered, once that is decided. Numbers count from 1.
create table if not exists turns (
  conversation_id uuid not null references conversations (id) on delete cascade,
  number bigint not null,
  -- replied, silent, too_old, failed, loop.
  outcome text not null,
  messages integer not null,
  newest_message_id uuid references messages (id) on delete set null,
  -- The command that carries the reply.
  command_id text,
  first_received_at timestamptz not null,
  decided_at timestamptz not null,
  -- When an operator has dealt with a turn that was not answered.
  resolved_at timestamptz,
  primary key (conversation_id, number)
);
create index if not exists turns_by_decision on turns (decided_at);
-- A deleted message looks for its turns.
create index if not exists turns_by_newest_message on turns (newest_message_id)
  where newest_message_id is not null;
create index if not exists turns_attention on turns (conversation_id)
  where outcome in ('too_old', 'failed', 'loop') and resolved_at is null;

-- Commands for a relay. The numbers of a relay ascend in the order of the commits.
create table if not exists commands (
  relay text not null,
  id text not null,
  seq bigint not null,
  kind text not null,
  conversation_id uuid references conversations (id) on delete set null,
  -- JSON. Null once every bubble is final.
  body text,
  -- SHA-256 of the body, by which a repeated command is recognised after its text is gone.
  body_hash bytea not null,
  -- The installation to which an answer has carried the command.
  handed_to text,
  created_at timestamptz not null,
  -- When every bubble had a final state.
  done_at timestamptz,
  primary key (relay, id),
  unique (relay, seq)
);
create index if not exists commands_by_conversation on commands (conversation_id)
  where conversation_id is not null;
create index if not exists commands_open on commands (relay, seq) where done_at is null;
create index if not exists commands_done on commands (done_at) where done_at is not null;

-- The bubbles of a command. A command without bubbles has the bubble 0.
create table if not exists command_bubbles (
  relay text not null,
  command_id text not null,
  bubble integer not null,
  -- The message of the assistant that the bubble shows. The bubble outlives the message, so that its command ends.
  message_id uuid references messages (id) on delete set null,
  -- That of the message, for row-level security.
  conversation_id uuid,
  -- pending, or a state of the relay's acks.
  state text not null default 'pending',
  code text,
  -- When the relay says that the bubble reached its state.
  reached_at timestamptz,
  -- message.guid of the bubble's row in chat.db.
  message_guid text,
  -- When an operator has dealt with a bubble that needs attention.
  resolved_at timestamptz,
  primary key (relay, command_id, bubble),
  foreign key (relay, command_id) references commands (relay, id) on delete cascade
);
create index if not exists command_bubbles_by_message on command_bubbles (message_id)
  where message_id is not null;
create index if not exists command_bubbles_by_conversation on command_bubbles (conversation_id)
  where conversation_id is not null;
create index if not exists command_bubbles_attention on command_bubbles (relay, command_id)
  where state in ('unknown', 'held', 'expired', 'failed') and resolved_at is null;

create index if not exists command_bubbles_by_guid on command_bubbles (relay, message_guid)
  where message_guid is not null;

-- The relay that answers a line: the first that brought it, or the one that an operator chose.
create table if not exists line_owners (
  line text primary key,
  relay text not null,
  since timestamptz not null
);

-- The chat's guid with its service, as the message named it. A reply goes to the chat of the newest message.
alter table messages
  add column if not exists chat_guid text;

-- The number of the relay's last command.
alter table relays
  add column if not exists command_seq bigint not null default 0;
-- The installation from which an operator has moved the relay away. It gets the lease again only after another move.
alter table relays
  add column if not exists refused_instance text;

alter table unanswered_messages enable row level security;
revoke all on unanswered_messages from public, anon, authenticated, archety_user;
alter table turns enable row level security;
revoke all on turns from public, anon, authenticated, archety_user;
alter table commands enable row level security;
revoke all on commands from public, anon, authenticated, archety_user;
alter table command_bubbles enable row level security;
revoke all on command_bubbles from public, anon, authenticated, archety_user;
alter table line_owners enable row level security;
revoke all on line_owners from public, anon, authenticated, archety_user;

-- How a reply was delivered, for the person whose direct conversation it is in. The condition has an index.
grant select (message_id, state) on command_bubbles to authenticated, archety_user;
drop policy if exists own on command_bubbles;
create policy own on command_bubbles for select to authenticated, archety_user
  using (
    conversation_id = any (array(
      select c.id from conversations c where c.user_id = (select app.uid()) and c.mode = 'direct'
    ))
  );
