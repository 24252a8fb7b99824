-- Stores a batch in one statement, so with one commit and one round trip. Every part reads the database as it
-- was when the statement began. If another replica inserts the same row meanwhile, the insert here does nothing,
-- and the messages that need the row get the outcome `unresolved`: they are tried again, when the row is visible.
-- Rows are inserted in the order of their keys, so that two replicas do not deadlock. The rows of people are
-- locked, so that a person is not deleted or archived while a message of theirs is stored.
with input as materialized (
  select * from unnest(
    $1::int4[], $2::uuid[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::bytea[],
    $8::uuid[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[],
    $15::uuid[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::int4[],
    $22::text[], $23::timestamptz[], $24::text[], $25::bool[], $26::bool[], $27::text[],
    $28::timestamptz[], $31::bytea[], $32::text[], $33::text[],
    $40::text[], $41::int8[], $42::int8[]
  ) as input (
    ord, id, relay, webhook_id, signed_at, identity, body_hash,
    chat_id, guid, chat_guid, line, mode, owner_handle, participants_digest,
    user_id, phone, sender, role, message_guid, event, revision,
    text, sent_at, service, from_owner, is_backfill, meta_data,
    received_at, tombstone, persona_id, receipt_relay,
    turn_opens, turn_quiet, turn_longest
  )
),
receipts as (
  insert into webhook_receipts (relay, webhook_id, signed_at, received_at)
  select receipt_relay, webhook_id, signed_at, received_at
  from input
  where webhook_id is not null
  order by receipt_relay, webhook_id, signed_at
  on conflict do nothing
  returning relay, webhook_id, signed_at
),
new_requests as materialized (
  select * from input i
  where i.webhook_id is null or exists (
    select 1 from receipts r
    where r.relay = i.receipt_relay and r.webhook_id = i.webhook_id and r.signed_at = i.signed_at
  )
),
existing as materialized (
  select a.ord, m.id, m.body_hash
  from new_requests a
  cross join lateral (
    select id, body_hash from messages
    where relay = a.relay and identity = a.identity
    limit 1
  ) m
),
-- Messages that were deleted with their person or by retention are not stored again. Nor is a change of such a
-- message, which would store its text again.
deleted as materialized (
  select a.ord
  from new_requests a
  cross join lateral (
    select 1 from tombstones
    where hash = a.tombstone and (expires_at is null or expires_at > a.received_at)
    limit 1
  ) t
  union
  select a.ord
  from unnest($38::int4[], $39::bytea[]) as c (ord, tombstone)
  join new_requests a on a.ord = c.ord
  cross join lateral (
    select 1 from tombstones
    where hash = c.tombstone and (expires_at is null or expires_at > a.received_at)
    limit 1
  ) t
),
-- An own row that shows a bubble of a reply is not the owner's text. A relay that has lost its state posts such rows.
own_sends as materialized (
  select a.ord, coalesce(b.message_id, a.id) as id
  from new_requests a
  cross join lateral (
    select message_id from command_bubbles
    where relay = a.relay and message_guid = a.message_guid
    limit 1
  ) b
  where a.from_owner
),
fresh as materialized (
  select * from new_requests a
  where not exists (select 1 from existing e where e.ord = a.ord)
    and not exists (select 1 from deleted d where d.ord = a.ord)
    and not exists (select 1 from own_sends o where o.ord = a.ord)
),
known_people as materialized (
  select f.phone, u.id
  from (select distinct phone from fresh where phone is not null order by phone) f
  -- The foreign key of the message takes the same lock anyway. If the number passes to another person meanwhile,
  -- no row is found or added, and the messages are tried again.
  cross join lateral (select id from users where phone = f.phone limit 1 for key share) u
),
new_people as (
  insert into users (id, phone, created_at)
  select distinct on (f.phone) f.user_id, f.phone, f.received_at
  from fresh f
  where f.phone is not null and not exists (select 1 from known_people k where k.phone = f.phone)
  order by f.phone, f.ord
  on conflict (phone) do nothing
  returning id, phone
),
people as materialized (
  select phone, id from known_people union all select phone, id from new_people
),
-- A change is stored in the conversation of the message that it changes, even if Messages has moved the message
-- to another chat since.
changes as materialized (
  select distinct on (o.ord) o.ord, m.conversation_id, m.has_text
  from unnest($34::int4[], $35::text[]) as o (ord, identity)
  join fresh f on f.ord = o.ord
  cross join lateral (
    select conversation_id, created_at, text <> '' as has_text from messages
    where relay = f.relay and identity = o.identity
    limit 1
  ) m
  order by o.ord, m.created_at
),
chats as materialized (
  select distinct on (f.relay, f.guid)
    f.relay, f.guid, coalesce(l.line, f.line) as line, f.chat_guid, f.mode, f.chat_id,
    f.participants_digest, f.received_at, f.owner_handle,
    case when f.owner_handle is not null then f.phone end as owner_phone
  from fresh f
  -- A message may name any own address of a line.
  left join lateral (
    select line from relay_lines where relay = f.relay and address = f.line limit 1
  ) l on true
  where not exists (select 1 from changes k where k.ord = f.ord)
  order by f.relay, f.guid, f.ord
),
found as materialized (
  select k.relay, k.guid, k.line, k.chat_guid, k.participants_digest, k.received_at,
    k.owner_handle, k.owner_phone, c.id, c.line as stored_line,
    c.chat_guid <> k.chat_guid as has_other_guid,
    c.participants_digest is distinct from k.participants_digest as has_other_participants,
    c.owner_handle is null and k.owner_handle is not null as lacks_owner,
    -- A conversation without a line gets the first line that a message of its chat names.
    c.line = '' and k.line <> '' as lacks_line
  from chats k
  cross join lateral (
    select id, chat_guid, line, participants_digest, owner_handle
    from conversations o
    where relay = k.relay and guid = k.guid and (line = k.line or line = '' or (
      -- A conversation under another address than the line's name gets no new messages.
      k.line = '' and not exists (
        select 1 from relay_lines
        where relay = k.relay and address = o.line and relay_lines.line <> o.line)))
    order by line = k.line desc, created_at, id
    limit 1
  ) c
),
updated as (
  update conversations c
  set line = case when f.lacks_line then f.line else c.line end,
    participants_digest = f.participants_digest,
    owner_handle = coalesce(c.owner_handle, f.owner_handle),
    user_id = case when c.owner_handle is null then p.id else c.user_id end
  from found f left join people p on p.phone = f.owner_phone
  where c.id = f.id
    and (f.lacks_line or f.has_other_participants or f.lacks_owner)
    -- A person whom another replica adds at this moment is not visible here. With the handle but without the
    -- person, the conversation would never get its person.
    and (not f.lacks_owner or f.owner_phone is null or p.id is not null)
    -- Checked again under the lock of the row, since another replica may have changed the line.
    and c.line = f.stored_line
  returning c.id
),
created as (
  insert into conversations (
    id, chat_guid, mode, created_at, relay, line, guid, owner_handle, user_id, participants_digest
  )
  select k.chat_id, k.chat_guid, k.mode, k.received_at, k.relay, k.line, k.guid, k.owner_handle,
    p.id, k.participants_digest
  from chats k left join people p on p.phone = k.owner_phone
  where not exists (select 1 from found f where f.relay = k.relay and f.guid = k.guid)
    and (k.owner_phone is null or p.id is not null)
  order by k.relay, k.guid, k.line
  on conflict (relay, guid, line) do nothing
  returning id, relay, guid, chat_guid, created_at
),
chat_conversations as materialized (
  select f.relay, f.guid, f.id, f.has_other_participants as needs_participants
  from found f
  where not f.lacks_line or exists (select 1 from updated t where t.id = f.id)
  union all
  select relay, guid, id, true from created
),
aliases as (
  insert into conversation_aliases (conversation_id, chat_guid, created_at)
  select id, chat_guid, received_at from found where has_other_guid
  union all
  select id, chat_guid, created_at from created
  order by 1, 2
  on conflict do nothing
),
new_participants as (
  insert into participants (conversation_id, handle, created_at)
  select distinct on (h.id, p.handle) h.id, p.handle, f.received_at
  from unnest($29::int4[], $30::text[]) as p (ord, handle)
  join fresh f on f.ord = p.ord
  join chat_conversations h on h.relay = f.relay and h.guid = f.guid
  where h.needs_participants
  order by h.id, p.handle
  on conflict do nothing
),
stored as (
  insert into messages (
    id, conversation_id, user_id, role, text, meta_data, created_at, relay, identity, body_hash,
    message_guid, event, revision, sender, service, from_owner, is_backfill, sent_at, chat_guid
  )
  select f.id, coalesce(k.conversation_id, h.id), p.id, f.role, f.text, f.meta_data::json, f.received_at, f.relay, f.identity,
    f.body_hash, f.message_guid, f.event, f.revision, f.sender, f.service, f.from_owner,
    f.is_backfill, f.sent_at, f.chat_guid
  from fresh f
  left join changes k on k.ord = f.ord
  left join chat_conversations h on h.relay = f.relay and h.guid = f.guid
  left join people p on p.phone = f.phone
  where (f.phone is null or p.id is not null) and (k.ord is not null or h.id is not null)
  order by f.relay, f.identity
  on conflict (relay, identity) do nothing
  returning id, conversation_id
),
mentioned as (
  insert into mentions (message_id, address)
  select distinct s.id, m.address
  from unnest($36::int4[], $37::text[]) as m (ord, address)
  join fresh f on f.ord = m.ord
  join stored s on s.id = f.id
  order by 1, 2
),
