-- Version 2. A change of a message is told in the conversation in which the message was first told,
-- whatever chats its row is joined to later.
alter table seen add column chat_guid text;
alter table seen add column chat_mode text;

-- Rows that Apple's filters hold back, or that come from a blocked chat. They stay listed until the
-- mark is lifted, the row is deleted, or the owner decides; no limit of time ends it.
create table filtered (
    -- The number in `quarantine list`. Never one of `quarantine`'s.
    id integer primary key,
    message_guid text not null unique,
    -- Where the row lay when it was last looked at; the guid decides.
    message_rowid integer not null,
    -- The chat whose marks count, as chat.db names it; null until it was looked at.
    chat_guid text,
    reason text not null,
    sent_at integer not null,
    -- As in `seen`: by it the row is found again in a chat.db that was rebuilt with other guids.
    twin blob not null,
    -- 1 if it was an old message when it came: released, it is stored and never answered.
    came_old integer not null check (came_old in (0, 1)),
    held_since integer not null,
    -- The wire message as it would have been posted; null until the row was looked at.
    body blob
) strict;
create index filtered_by_chat on filtered (chat_guid, id);

-- Rows that an earlier release skipped, or skips after it was put back, are found by it.
create index seen_filtered on seen (guid) where outcome = 'spam';
