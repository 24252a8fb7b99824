-- Version 6. The ledger: what the backend asked this relay to do, and what became of each bubble.
-- Times are microseconds since 1970 by the Mac's clock, unless a comment says otherwise.
create table ledger_command (
    number integer primary key,
    id text not null unique,
    -- The backend's number. A backend that was restored from a backup gives the command another one.
    seq integer not null,
    kind text not null,
    -- Hash over kind and fields: by it the same id with other content is told.
    content_hash blob not null,
    -- The fields of a kind without bubbles, as JSON; null once it is done.
    fields text,
    -- From here on: of send_message.
    chat_guid text,
    -- chat_guid without its service.
    conversation text,
    -- JSON array of further guids of the conversation; null without any.
    aliases text,
    anchor_guid text,
    line text,
    service text,
    -- 0 scheduled, 1 reply, 2 otp.
    priority integer not null default 1,
    -- Unix seconds by the backend's clock.
    not_before integer,
    not_after integer,
    quiet_from integer,
    quiet_to integer,
    taken_at integer not null,
    -- When the last of its bubbles became final.
    done_at integer
) strict;
create index ledger_command_done on ledger_command (done_at) where done_at is not null;
create index ledger_command_chat on ledger_command (conversation, priority)
    where conversation is not null;

-- The chats in which the rows of a command's bubbles may appear, until none of them can appear any more.
create table ledger_chat (
    -- A chat guid without its service.
    conversation text not null,
    command integer not null references ledger_command (number) on delete cascade,
    primary key (conversation, command)
) strict, without rowid;
create index ledger_chat_command on ledger_chat (command);

create table ledger_bubble (
    -- The number in `ledger list`.
    number integer primary key,
    command integer not null references ledger_command (number) on delete cascade,
    -- From 0. A command of another kind than send_message has the bubble 0.
    bubble integer not null,
    -- Null once nothing can be sent any more.
    text text,
    -- Hash of command and text, by which a row is recognised.
    text_hash blob not null,
    pause_ms integer not null default 0,
    state text not null default 'queued' check (state in ('queued', 'held', 'dispatched', 'row_seen',
        'sent', 'delivered', 'failed', 'unknown', 'cancelled', 'expired')),
    code text,
    -- When the state was reached.
    reached_at integer not null,
    -- The end of the pause before it; null until the bubble before it is through.
    due_at integer,
    -- 1 if another installation may have sent it: this one never does.
    handed integer not null default 0 check (handed in (0, 1)),
    -- 1 if the owner has released it: neither its line nor its time keeps it.
    released integer not null default 0 check (released in (0, 1)),
    -- How often it may have been sent before the owner had it sent again.
    earlier_sends integer not null default 0,
    dispatched_at integer,
    -- Where chat.db stood right before the first time: which file it was, and its highest ROWID.
    baseline_file text,
    baseline_rowid integer,
    -- message.guid of its row.
    message_guid text,
    -- The number of the ack that the backend has not taken; null if it has taken the last one.
    ack integer,
    unique (command, bubble)
) strict;
create index ledger_bubble_unfinished on ledger_bubble (state, command, bubble)
    where state in ('queued', 'held', 'dispatched', 'row_seen', 'unknown');
-- One row proves one bubble.
create unique index ledger_bubble_guid on ledger_bubble (message_guid) where message_guid is not null;
create unique index ledger_bubble_ack on ledger_bubble (ack) where ack is not null;
create index ledger_bubble_dispatched on ledger_bubble (dispatched_at)
    where dispatched_at is not null;

-- Bubbles whose rows may still change.
create index ledger_bubble_watched on ledger_bubble (reached_at)
    where message_guid is not null and state in ('row_seen', 'sent', 'failed', 'unknown');

-- The rows of a bubble that was sent more than once, but for the last one.
create table ledger_earlier_row (
    -- message.guid
    message_guid text primary key,
    bubble integer not null references ledger_bubble (number) on delete cascade
) strict, without rowid;
create index ledger_earlier_row_bubble on ledger_earlier_row (bubble);

-- Acks of commands that are not carried out, and so have no bubbles here.
create table ledger_refusal (
    command_id text not null,
    bubble integer not null,
    code text not null,
    at integer not null,
    -- As in ledger_bubble. A refusal that was taken is deleted.
    ack integer not null unique,
    primary key (command_id, bubble)
) strict, without rowid;

-- What was passed to Messages in the last day, for the limits.
create table ledger_send (
    number integer primary key,
    line text not null,
    at integer not null,
    -- known, first_answer or cold.
    contact text not null
) strict;
create index ledger_send_line on ledger_send (line, at);
create index ledger_send_contact on ledger_send (line, contact, at);
create index ledger_send_at on ledger_send (at);
