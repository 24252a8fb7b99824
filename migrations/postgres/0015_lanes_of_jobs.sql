-- What a queue of durable work needs beside "when": which queue, in what order, what is there already. A
-- change of the catalogue alone, and two indexes of a small table. An earlier version goes on beside this one:
-- what it writes has the defaults, and it takes jobs by their kind, of which it knows none that has a lane.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

alter table jobs
  -- Of each queue so many are done at once by a process.
  add column if not exists queue text not null default 'general',
  -- One at a time, in the order in which they were written.
  add column if not exists lane text,
  -- The higher goes first.
  add column if not exists priority integer not null default 0,
  -- Of a kind at most one with this key waits; taking it for the first time clears the key.
  add column if not exists dedupe_key text;
create index if not exists jobs_by_priority on jobs (queue, priority desc, run_at)
  where dead_at is null;
create index if not exists jobs_by_lane on jobs (lane, created_at, id)
  where lane is not null and dead_at is null;
create unique index if not exists jobs_waiting_once on jobs (kind, dedupe_key)
  where dedupe_key is not null;
