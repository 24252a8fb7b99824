-- What adopted conversations lack: their guid, apart from twins; their aliases; their owner.
--
-- Rows are written under locks that let everybody read. Nobody else writes meanwhile, so that what is
-- found in one statement is still so in the next.

set local lock_timeout = '3s';
set local statement_timeout = 0;
-- Whole tables are joined, of which the planner knows little: a join row by row, which it may believe
-- to be cheap, takes hours.
set local enable_nestloop = off;
lock table conversations, messages in share row exclusive mode;

update conversations
set guid = coalesce(nullif(regexp_replace(chat_guid, '^(iMessage|SMS|RCS|any);', ''), ''), chat_guid)
where guid is null;

-- The older deployment kept one conversation per service, where a merged chat now has one. The line
-- column tells such twins apart: the oldest keeps '', the others are marked, and nothing is merged.
with ranked as (
  select id, row_number() over (partition by relay, guid order by created_at, id) as nth
  from conversations
  where line = ''
)
update conversations c
set line = 'adopted:' || c.chat_guid
from ranked
where ranked.id = c.id and ranked.nth > 1;

insert into conversation_aliases (conversation_id, chat_guid, created_at)
select id, chat_guid, created_at from conversations
on conflict do nothing;

-- The owner of an adopted direct conversation is whoever wrote in it first.
update conversations c
set user_id = first.user_id, owner_handle = first.phone
from (
  select distinct on (m.conversation_id) m.conversation_id, m.user_id, u.phone
  from messages m join users u on u.id = m.user_id
  order by m.conversation_id, m.created_at, m.id
) first
where first.conversation_id = c.id and c.mode = 'direct' and c.owner_handle is null;
