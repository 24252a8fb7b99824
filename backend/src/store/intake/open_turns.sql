-- A message that opens a turn waits for an answer, and its conversation gets a job that answers. A job that waits
-- already is put off until the chat is quiet, but not beyond the longest wait since the first unanswered message.
-- The job computes the same again when it runs, so an older snapshot here costs at most time.
opening_turns as materialized (
  select s.conversation_id, f.id, f.received_at,
    f.received_at + f.turn_quiet * interval '1 microsecond' as quiet_until,
    f.turn_longest * interval '1 microsecond' as longest
  from stored s join fresh f on f.id = s.id
  where f.turn_opens in ('turn', 'late_text') and (f.turn_opens = 'turn' or not exists (
    select 1 from changes k where k.ord = f.ord and k.has_text))
),
unanswered as (
  insert into unanswered_messages (message_id, conversation_id, received_at)
  select id, conversation_id, received_at from opening_turns
  order by id
),
opened as (
  insert into jobs (id, kind, queue, lane, priority, dedupe_key, payload, run_at, attempts, created_at)
  select gen_random_uuid(), 'answer_turn', 'turns', 'turn:' || t.conversation_id, 0, t.conversation_id::text,
    convert_to('{"conversation_id":"' || t.conversation_id || '"}', 'UTF8'),
    least(t.quiet_until, t.longest + least(t.first_at, (
      select min(received_at) from unanswered_messages where conversation_id = t.conversation_id))),
    0, greatest(t.last_at, (
      select max(created_at) + interval '1 microsecond' from jobs
      where lane = 'turn:' || t.conversation_id and dead_at is null))
  from (
    select conversation_id, max(quiet_until) as quiet_until, max(longest) as longest,
      min(received_at) as first_at, max(received_at) as last_at
    from opening_turns group by conversation_id
  ) t
  order by t.conversation_id::text
  on conflict (kind, dedupe_key) where dedupe_key is not null
    do update set run_at = excluded.run_at where jobs.run_at < excluded.run_at
),
