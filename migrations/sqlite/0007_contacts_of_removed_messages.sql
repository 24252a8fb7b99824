-- What retention has to remember of a person's messages that it removed: when the last of them came, and when
-- the last long silence among them ended.

alter table users add column heard_at integer;
alter table users add column silence_ended_at integer;
