-- The relay's own state. Times are microseconds since 1970 (UTC) unless a name says otherwise.
-- Rows, waiting set and cursor change in one transaction before anything is posted.

create table meta (
    key text primary key,
    value text not null
) strict, without rowid;

-- The chat.db that the cursor belongs to; one row once the first scan has been made.
create table source (
    id integer primary key check (id = 1),
    -- Every message row up to this ROWID is accounted for: in seen, waiting or quarantine.
    cursor integer not null,
    -- sqlite_sequence of `message` when last read; it never falls within one file.
    sequence integer not null,
    -- Messages sent before this instant are recorded, never forwarded.
    floor integer not null,
    last_good_scan_at integer not null,
    -- 1 until the backend has said where this relay's messages end: an empty state may be a lost one.
    resume_pending integer not null check (resume_pending in (0, 1))
) strict;

-- Rows of chat.db by which a replaced or rebuilt file is told from the one that the cursor counts.
create table anchor (
    message_rowid integer primary key,
    guid text not null
) strict;

-- One row a message of chat.db that was accounted for.
create table seen (
    guid text primary key,
    message_rowid integer not null,
    sent_at integer not null,
    -- Hash over conversation, sender, date and text: iCloud brings copies back under other guids.
    twin blob not null,
    -- Hash over the columns that edits, unsends and attachments change.
    digest blob not null,
    outcome text not null,
    text_was_empty integer not null check (text_was_empty in (0, 1)),
    history_length integer not null default 0,
    unsent_parts integer not null default 0,
    unsend_revision integer not null default 0,
    attachment_revision integer not null default 0,
    attachment_digest blob not null,
    seen_at integer not null
) strict, without rowid;
create index seen_by_sent_at on seen (sent_at);
create index seen_by_twin on seen (twin);
create index seen_by_seen_at on seen (seen_at);

-- Rows that are not complete yet, or that stand behind one of those.
create table waiting (
    message_rowid integer primary key,
    guid text not null,
    reason text not null,
    since integer not null
) strict;

create table outbox (
    seq integer primary key autoincrement,
    -- The conversation; posts of one lane go out in the order of seq, lanes in parallel.
    lane text not null,
    webhook_id text not null unique,
    message_guid text not null,
    event text not null,
    revision integer not null,
    -- The exact bytes that are signed; null once delivered or dropped.
    body blob,
    state text not null default 'pending'
        check (state in ('pending', 'parked', 'delivered', 'dropped')),
    attempts integer not null default 0,
    next_attempt_at integer not null default 0,
    -- Code of the last failure, never text of a message.
    last_error text,
    -- Version of the backend that refused it for good: it is tried again on another.
    parked_version text,
    -- The backend's id of it.
    message_id text,
    created_at integer not null,
    delivered_at integer
) strict;
create index outbox_pending on outbox (seq) where state = 'pending';
-- A chat with a long backlog is paged on its own, so that it never fills the sender's memory.
create index outbox_lane on outbox (lane, seq) where state = 'pending';
create index outbox_parked on outbox (seq) where state = 'parked';
create index outbox_by_guid on outbox (message_guid);
create index outbox_delivered on outbox (delivered_at) where state in ('delivered', 'dropped');

-- Messages that may be old ones brought back by iCloud, held for the owner.
create table quarantine (
    id integer primary key autoincrement,
    message_guid text not null unique,
    lane text not null,
    sent_at integer not null,
    reason text not null,
    -- The wire message as it would have been posted.
    body blob not null,
    held_at integer not null
) strict;

-- Times without proven contact with the network; messages sent in them may arrive late and be live.
create table contact_gap (
    started_at integer primary key,
    ended_at integer not null
) strict;
