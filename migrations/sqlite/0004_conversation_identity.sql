-- Conversations under the rules of their identity as they are now: as on Postgres, where the reasons stand.

-- `glob` knows no alternatives: a service has no semicolon, and a sign stands between two of them.
with cut as (
  select id, relay, line, created_at, substr(guid, instr(guid, ';') + 1) as guid
  from conversations
  where instr(guid, ';') > 1 and guid not like 'archived:%'
    and substr(guid, instr(guid, ';'), 3) in (';-;', ';+;')
    and length(guid) > instr(guid, ';') + 2
), ranked as (
  select *, row_number() over (partition by relay, guid, line order by created_at, id) as nth from cut
)
update conversations set guid = r.guid
from ranked r
where r.id = conversations.id and r.nth = 1 and not exists (
  select 1 from conversations o where o.relay = r.relay and o.guid = r.guid and o.line = r.line
);

with stripped as (
  select id, relay, guid, created_at, line as old, trim(line, char(
    32, 160, 8203, 8204, 8205, 8206, 8207, 8234, 8235, 8236, 8237, 8238, 8239, 8288, 8294, 8295, 8296,
    8297, 65279)) as line
  from conversations
  where line <> '' and line not like 'adopted:%'
), bare as (
  select id, relay, guid, created_at, old, case
    when line like 'tel:%' then substr(line, 5)
    when line like 'mailto:%' then substr(line, 8)
    when line like 'p:%' or line like 'e:%' then substr(line, 3)
    else line
  end as line
  from stripped
), written as (
  select id, relay, guid, created_at, old,
    case when line like '%@%' then lower(line) else line end as line
  from bare
), ranked as (
  select *, row_number() over (partition by relay, guid, line order by created_at desc, id desc) as nth
  from written
  where line <> old
)
update conversations set line = r.line
from ranked r
where r.id = conversations.id and r.nth = 1 and not exists (
  select 1 from conversations o where o.relay = r.relay and o.guid = r.guid and o.line = r.line
);

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
update conversations set line = ''
from ranked r
where r.id = conversations.id and r.nth = 1 and not exists (
  select 1 from conversations o where o.relay = r.relay and o.guid = r.guid and o.line = ''
);
