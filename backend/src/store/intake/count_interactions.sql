interactions as (
  select p.id as user_id, f.persona_id, count(*) as messages,
    max(f.received_at) filter (where not f.is_backfill) as last_interaction_at
  from stored s
  join fresh f on f.id = s.id
  join people p on p.phone = f.phone
  where f.event = 'message' and f.persona_id is not null
  group by p.id, f.persona_id
),
new_relationships as (
  insert into relationships as r (
    id, user_id, persona_id, trust_score, stage, message_count, last_interaction_at
  )
  select gen_random_uuid(), user_id, persona_id, 0, 'new', messages, last_interaction_at
  from interactions
  order by user_id, persona_id
  on conflict (user_id, persona_id) do update
  set message_count = r.message_count + excluded.message_count,
    last_interaction_at = greatest(r.last_interaction_at, excluded.last_interaction_at)
)
select i.ord,
  case
    when a.ord is null then 'replayed'
    when e.ord is not null and (e.body_hash is null or e.body_hash = i.body_hash) then 'duplicate'
    when e.ord is not null then 'conflict'
    when d.ord is not null then 'duplicate'
    when o.ord is not null then 'own_send'
    when s.id is not null then 'accepted'
    else 'unresolved'
  end as outcome,
  coalesce(e.id, s.id, o.id, case when d.ord is not null then i.id end) as message_id
from input i
left join new_requests a on a.ord = i.ord
left join existing e on e.ord = i.ord
left join deleted d on d.ord = i.ord
left join own_sends o on o.ord = i.ord
left join stored s on s.id = i.id
