-- What a queue of durable work needs beside "when": which queue, in what order, what is there already.

-- Of each queue so many are done at once by a process.
alter table jobs add column queue text not null default 'general';
-- One at a time, in the order in which they were written.
alter table jobs add column lane text;
-- The higher goes first.
alter table jobs add column priority integer not null default 0;
-- Of a kind at most one with this key waits; taking it for the first time clears the key.
alter table jobs add column dedupe_key text;
create index jobs_by_priority on jobs (queue, priority desc, run_at) where dead_at is null;
create index jobs_by_lane on jobs (lane, created_at, id)
  where lane is not null and dead_at is null;
create unique index jobs_waiting_once on jobs (kind, dedupe_key) where dedupe_key is not null;
