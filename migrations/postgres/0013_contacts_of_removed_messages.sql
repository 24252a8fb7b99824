-- What retention has to remember of a person's messages that it removed: when the last of them came, and when
-- the last long silence among them ended. Without it a number whose old messages are gone would look silent,
-- and its owner would count as a new one. An earlier version leaves both as they are. A change of the
-- catalogue alone.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

alter table users
  add column if not exists heard_at timestamptz,
  add column if not exists silence_ended_at timestamptz;
