-- Conversations that were stored before the rules of their identity were what they are now: guids of every
-- service are cut, own addresses are written one way, and the other person's address is no line.
--
-- A row changes only if no other has the identity that it would get, so nothing is merged: what stays as it
-- was is a closed history, and what comes next has one conversation to go to. Nobody writes meanwhile.

set local lock_timeout = '3s';
set local statement_timeout = 0;
lock table conversations in share row exclusive mode;

-- Before, only `iMessage`, `SMS`, `RCS` and `any` were cut. A chat that was archived with its person keeps
-- its name.
with cut as (
  select id, relay, line, created_at, regexp_replace(guid, '^[^;]+;', '') as guid
  from conversations
  where guid ~ '^[^;]+;[-+];.' and guid not like 'archived:%'
), ranked as (
  select *, row_number() over (partition by relay, guid, line order by created_at, id) as nth from cut
)
update conversations c set guid = r.guid
from ranked r
where r.id = c.id and r.nth = 1 and not exists (
  select 1 from conversations o where o.relay = r.relay and o.guid = r.guid and o.line = r.line
);

-- `tel:+1…`, `P:+1…`, `E:Mail@…`, with spaces or invisible marks around them.
with bare as (
  select id, relay, guid, created_at, line as old, regexp_replace(
    btrim(line, E' \u00a0\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u202f\u2060\u2066\u2067\u2068\u2069\ufeff'),
    '^(tel|mailto|p|e):', '', 'i') as line
  from conversations
  where line <> '' and line not like 'adopted:%'
), written as (
  select id, relay, guid, created_at, old,
    case when line like '%@%' then lower(line) else line end as line
  from bare
), ranked as (
  select *, row_number() over (partition by relay, guid, line order by created_at desc, id desc) as nth
  from written
  where line <> old
)
update conversations c set line = r.line
from ranked r
where r.id = c.id and r.nth = 1 and not exists (
  select 1 from conversations o where o.relay = r.relay and o.guid = r.guid and o.line = r.line
);

-- Some relays named the other person as the line. Without a line the conversation takes the first one that
-- is seen.
with ranked as (
  select c.id, c.relay, c.guid,
    row_number() over (partition by c.relay, c.guid order by c.created_at, c.id) as nth
  from conversations c
  where c.line <> '' and (
    c.line = c.owner_handle
    or (c.mode = 'direct' and c.guid like '-;%' and c.line = case
      when c.guid like '%@%' then lower(substr(c.guid, 3)) else substr(c.guid, 3) end)
    or exists (
      select 1 from participants p where p.conversation_id = c.id and p.handle = c.line)
  )
)
update conversations c set line = ''
from ranked r
where r.id = c.id and r.nth = 1 and not exists (
  select 1 from conversations o where o.relay = r.relay and o.guid = r.guid and o.line = ''
);
