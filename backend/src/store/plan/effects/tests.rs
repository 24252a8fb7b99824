//! Statements of every kind that a migration may hold, and some that none should.

use super::*;
use crate::store::plan::split::split;

fn schema() -> Schema {
    Schema {
        tables: ["users", "messages"].map(str::to_owned).into(),
        indexes: [("by_user".to_owned(), "messages".to_owned())].into(),
        references: [(
            ("messages".to_owned(), "user_id".to_owned()),
            "users".to_owned(),
        )]
        .into(),
    }
}

/// As `table lock work; …`, or `unknown`.
fn told(sql: &str) -> String {
    let [piece] = split(sql)[..] else {
        panic!("one statement: {sql}")
    };
    let Some(effects) = schema().effects(piece) else {
        return "unknown".to_owned();
    };
    let lines: Vec<String> = effects
        .iter()
        .map(|effect| {
            let (lock, work) = (effect.lock.as_str(), effect.work.as_str());
            format!("{}: {lock}, {work}", effect.table)
        })
        .collect();
    lines.join("; ")
}

#[test]
fn statements_tell_what_they_do() {
    for (sql, expected) in [
        ("set local lock_timeout = '3s'", ""),
        ("create table if not exists users (id uuid)", ""),
        (
            "create table n (id uuid, u uuid references users (id))",
            "users: share row exclusive, catalogue only",
        ),
        (
            "create index i on messages (id)",
            "messages: share, reads rows",
        ),
        (
            "create unique index concurrently if not exists i on public.messages (id)",
            "messages: share update exclusive, reads rows",
        ),
        (
            "create index if not exists by_user on messages (user_id)",
            "messages: share, catalogue only",
        ),
        (
            "drop index if exists by_user",
            "messages: access exclusive, catalogue only",
        ),
        ("drop index if exists gone", ""),
        (
            "alter table users add column a text, add column b bool not null default false",
            "users: access exclusive, catalogue only",
        ),
        (
            "alter table users add column a uuid default gen_random_uuid()",
            "users: access exclusive, rewrites the table",
        ),
        (
            "alter table messages add column r uuid references users (id)",
            "messages: access exclusive, catalogue only; users: share row exclusive, catalogue only",
        ),
        (
            "alter table \"users\" alter column name type text",
            "users: access exclusive, rewrites the table",
        ),
        (
            "alter table users alter column name set not null",
            "users: access exclusive, reads rows",
        ),
        (
            "-- plan: access exclusive on users\nalter table users alter column name set not null",
            "users: access exclusive, catalogue only",
        ),
        (
            "alter table users add constraint c check (a in (1, 2)) not valid",
            "users: access exclusive, catalogue only",
        ),
        (
            "alter table users add constraint c check (a in (1, 2))",
            "users: access exclusive, reads rows",
        ),
        (
            "alter table users validate constraint c",
            "users: share update exclusive, reads rows",
        ),
        (
            "alter table users enable row level security",
            "users: access exclusive, catalogue only",
        ),
        (
            "create policy p on messages using (user_id in (select id from users))",
            "messages: access exclusive, catalogue only; users: access share, catalogue only",
        ),
        (
            "lock table users, messages in share row exclusive mode",
            "messages: share row exclusive, catalogue only; users: share row exclusive, catalogue only",
        ),
        (
            "insert into n select * from users on conflict do nothing",
            "users: access share, reads rows",
        ),
        (
            "update messages set text = 'users'",
            "messages: row exclusive, writes rows",
        ),
        (
            "update messages set user_id = null",
            "messages: row exclusive, writes rows; users: row share, reads rows",
        ),
        (
            "with u as (select id from users) delete from messages using u",
            "messages: row exclusive, writes rows; users: access share, reads rows",
        ),
        ("analyze users", "users: share update exclusive, reads rows"),
        ("grant select on users to anon", ""),
        (
            "-- plan: row exclusive on users, gone, writes rows\ndo $$ begin end $$",
            "users: row exclusive, writes rows",
        ),
        ("-- plan: nothing\ndo $$ begin end $$", ""),
    ] {
        assert_eq!(told(sql), expected, "{sql}");
    }
}

#[test]
fn what_is_not_understood_is_not_guessed() {
    for sql in [
        "do $$ begin update users set name = ''; end $$",
        "-- plan: some locks on users\ndo $$ begin end $$",
        "-- plan: everything\ndo $$ begin end $$",
        "vacuum full users",
        "alter table users set unlogged",
        "alter table users add column a text, cluster on i",
        "truncate users",
        "call tidy()",
        "lock users in my mode",
    ] {
        assert_eq!(told(sql), "unknown", "{sql}");
    }
}
