-- Indexes of the tables that may be big already. Building one keeps writers out, who are not there
-- during a first adoption, and lets everybody read; built concurrently, one that failed halfway would
-- be left behind and taken for whole by the next attempt.

set local lock_timeout = '3s';
set local statement_timeout = 0;

create unique index if not exists conversations_identity on conversations (relay, guid, line);
create index if not exists conversations_by_user on conversations (user_id, created_at)
  where user_id is not null;

create unique index if not exists messages_identity on messages (relay, identity);
create index if not exists messages_by_conversation on messages (conversation_id, created_at);
create index if not exists messages_by_user on messages (user_id, created_at) where user_id is not null;
-- Where a relay that lost its state resumes.
create index if not exists messages_newest on messages (relay, created_at desc)
  where message_guid is not null and event = 'message' and not is_backfill;

create index if not exists users_by_archived_phone on users (archived_phone)
  where archived_phone is not null;

-- Reads the table, and lets others read and write.
-- plan: share update exclusive on conversations, reads rows
do $$
begin
  if exists (select 1 from pg_constraint where conname = 'conversations_guid_present') then
    alter table conversations validate constraint conversations_guid_present;
  end if;
end
$$;

-- For the planner: what was written above is not what it knew of the tables.
analyze users, conversations, messages, relationships;
