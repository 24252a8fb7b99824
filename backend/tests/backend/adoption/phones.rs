//! Adopted phone numbers that no sign-in can match are kept unchanged and flagged.

use super::*;

/// Adopted numbers, and the flag that each gets, if any.
const PHONES: [(&str, Option<&str>); 22] = [
    ("+15550100010", None),
    ("+491511234567", None),
    // Sign-in writes numbers otherwise, and no other row has the same number.
    ("15550100020", Some("not_e164")),
    ("5550100021", Some("not_e164")),
    ("+1 (555) 010-0022", Some("not_e164")),
    ("00491511234568", Some("not_e164")),
    ("+0155501", Some("not_e164")),
    ("+123456", Some("not_e164")),
    ("+1234567890123456", Some("not_e164")),
    ("someone@example.com", Some("not_e164")),
    ("", Some("not_e164")),
    (" +15550100023", Some("not_e164")),
    ("+15550100024\n", Some("not_e164")),
    // Another row has the same number, written as sign-in writes it.
    ("15550100010", Some("collides")),
    ("+1 555 010 0010", Some("collides")),
    ("0015550100010", Some("collides")),
    ("00491511234567", Some("collides")),
    // Several rows have the same number, none of them written as sign-in writes it.
    ("+1.555.010.0030", Some("collides")),
    ("1-555-010-0030", Some("collides")),
    ("001/555/010/0030", Some("collides")),
    ("+1\u{a0}555\u{2011}010\u{202f}0031", Some("collides")),
    ("15550100031", Some("collides")),
];

#[tokio::test]
async fn invalid_and_colliding_numbers_are_flagged_and_kept() {
    let database = older_database().await;
    let mut connection = database.connect().await;
    connection
        .execute("alter table users alter column phone type varchar(64)")
        .await
        .expect("altered");
    for (phone, _) in PHONES {
        sqlx::query("insert into users (phone) values ($1)")
            .bind(phone)
            .execute(&mut connection)
            .await
            .expect("a person");
    }
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let stored: Vec<(String, Option<String>)> =
        sqlx::query_as("select phone, phone_flag from users where phone !~ '^\\+?1555010000'")
            .fetch_all(&mut connection)
            .await
            .expect("people");
    assert_eq!(stored.len(), PHONES.len(), "no rows are merged");
    for (phone, flag) in PHONES {
        let row = stored.iter().find(|(stored, _)| stored == phone);
        assert_eq!(
            row.map(|(_, flag)| flag.as_deref()),
            Some(flag),
            "{phone:?}"
        );
    }
}

#[tokio::test]
async fn flagged_people_are_listed_with_their_flag_and_number_of_messages() {
    let database = older_database().await;
    database
        .run(
            "insert into users (phone) values ('+1 (555) 010-0001');
             insert into messages (conversation_id, user_id, role, text)
               select 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa', id, 'user', 'hi' from users
               where phone = '+1 (555) 010-0001'",
        )
        .await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let store = TestStore::on(database).await;
    let flagged = store.store.flagged_people().await.expect("read");
    let listed: Vec<(&str, &str, i64)> = flagged
        .iter()
        .map(|person| (person.flag.as_str(), person.phone.as_str(), person.messages))
        .collect();
    assert_eq!(
        listed,
        [
            ("collides", "+1 (555) 010-0001", 1),
            ("not_e164", "15550100003", 0)
        ]
    );
}

/// Flagging goes in slices of 5,000 rows. These rows fill two slices.
#[tokio::test]
async fn flagging_in_slices_covers_all_rows() {
    let database = older_database().await;
    let mut connection = database.connect().await;
    // The fixture has one number without a plus sign already.
    connection
        .execute(
            "insert into users (phone) select '1' || n from generate_series(1000001, 1009999) n",
        )
        .await
        .expect("people");
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let flagged: i64 =
        sqlx::query_scalar("select count(*) from users where phone_flag = 'not_e164'")
            .fetch_one(&mut connection)
            .await
            .expect("a count");
    assert_eq!(flagged, 10_000);
}

#[tokio::test]
async fn flagging_again_changes_no_flag_and_skips_archived_numbers() {
    let database = older_database().await;
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let mut connection = database.connect().await;
    // One person signs in with the number that was adopted without its plus sign. Another person's number
    // was reassigned, so their row has no number.
    connection
        .execute(
            "insert into users (phone) values ('+15550100003');
             insert into users (phone, archived_phone, archived_at)
               values ('archived', '+15550100009', now())",
        )
        .await
        .expect("people");
    let migration = MIGRATIONS_POSTGRES
        .iter()
        .find(|migration| migration.description == "adopted phones")
        .expect("the migration");
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(
            migration.sql.as_str().to_owned(),
        )))
        .await
        .expect("the migration can run again");
    let flags: Vec<(String, String)> = sqlx::query_as(
        "select phone, phone_flag from users where phone_flag is not null order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .expect("people");
    assert_eq!(flags, [("15550100003".to_owned(), "not_e164".to_owned())]);
}
