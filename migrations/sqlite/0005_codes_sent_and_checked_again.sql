-- How often a code was checked by its provider and sent again, and which session an approval has opened.

alter table otp_codes add column checks integer not null default 0;
alter table otp_codes add column resends integer not null default 0;
alter table otp_codes add column resent_at integer;

alter table otp_challenges add column opened_session blob;
