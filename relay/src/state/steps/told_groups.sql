-- Version 3. Under which name each group was told. A group that moved to another service has another chat in
-- chat.db and stays one conversation: the one that was told first.
create table told_group (
    -- The guid of the group's chat without its service.
    conversation text primary key,
    -- The chat guid under which the backend knows the group; another chat's where the group moved.
    chat_guid text not null,
    -- When it was told first.
    told_since integer not null
) strict, without rowid;
