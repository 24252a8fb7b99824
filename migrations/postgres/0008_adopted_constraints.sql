-- The last changes of the catalogue, short as those of 0001.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

-- No row is read: the validated check proves it.
-- plan: access exclusive on conversations
alter table conversations alter column guid set not null;
alter table conversations drop constraint if exists conversations_guid_present;

-- The older deployment's; messages_by_conversation serves the same and more.
drop index if exists ix_messages_conversation_id;
