-- The older deployment noted Messages' guid inside its json. With it a late retry of an adopted
-- message is recognised. The digest is that of the wire protocol: length-prefixed relay, guid, event
-- and revision. A guid that was stored twice identifies only its first row.

set local lock_timeout = '3s';
set local statement_timeout = 0;
-- Whole tables are joined, of which the planner knows little: a join row by row, which it may believe
-- to be cheap, takes hours.
set local enable_nestloop = off;
lock table messages in share row exclusive mode;

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
