-- How often a code was checked by its provider and sent again, and which session an approval has opened. An
-- earlier version leaves all of it as it is. Changes of the catalogue alone.

set local lock_timeout = '500ms';
set local statement_timeout = 0;

alter table otp_codes
  add column if not exists checks integer not null default 0,
  add column if not exists resends integer not null default 0,
  add column if not exists resent_at timestamptz;

alter table otp_challenges
  add column if not exists opened_session uuid;
