//! A database with a hundred thousand people is adopted: no table is rewritten, and no reader waits long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;

const INSERT_ROWS: &str = r#"
    insert into users (id, phone, metadata, created_at)
      select md5('u' || n)::uuid, case when n % 100 = 0 then '' else '+' end || '1555' || (1000000 + n),
        '{"tz": "UTC"}', '2025-01-01'::timestamptz + n * interval '1 second'
      from generate_series(1, 100000) n;
    insert into conversations (id, chat_guid, mode, created_at)
      select md5('c' || n)::uuid, 'iMessage;-;+1555' || (1000000 + n), 'direct',
        '2025-01-01'::timestamptz + n * interval '1 second'
      from generate_series(1, 100000) n;
    insert into messages (conversation_id, user_id, role, text, metadata, created_at)
      select md5('c' || n)::uuid, md5('u' || n)::uuid, 'user', repeat('text ', 20),
        json_build_object('guid', upper(md5('m' || n))), '2025-02-01'::timestamptz + n * interval '1 second'
      from generate_series(1, 100000) n"#;

/// Queries that a reader repeats during the adoption, one for each adopted table.
const READS: [&str; 4] = [
    "select id from users where id = md5('u5')::uuid",
    "select id from conversations where id = md5('c5')::uuid",
    "select id from messages limit 1",
    "select id from relationships limit 1",
];

/// The file of each adopted table. A new file means that the table was rewritten.
async fn table_files(connection: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar(
        "select relfilenode::bigint from pg_class
         where oid = any (array['users', 'conversations', 'messages', 'relationships']::regclass[])
         order by relname",
    )
    .fetch_all(connection)
    .await
    .expect("a catalogue")
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_100_000_people_rewrites_no_table_and_delays_no_read_by_a_second() {
    let database = older_database().await;
    let mut connection = database.connect().await;
    connection.execute(INSERT_ROWS).await.expect("rows");
    let before = table_files(&mut connection).await;

    let stop = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn({
        let mut reader = database.connect().await;
        let stop = Arc::clone(&stop);
        async move {
            let (mut longest, mut reads) = (Duration::ZERO, 0_u32);
            while !stop.load(Ordering::Relaxed) {
                for sql in READS {
                    let begun = Instant::now();
                    reader.execute(sql).await.expect("a row");
                    longest = longest.max(begun.elapsed());
                    reads += 1;
                }
            }
            (longest, reads)
        }
    });
    let begun = Instant::now();
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let duration = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (longest, reads) = reading.await.expect("no panic");

    let steps: Vec<(i64, String, i64)> = sqlx::query_as(
        "select version, description, execution_time / 1000000 from _sqlx_migrations order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .expect("steps");
    for (version, description, millis) in steps {
        eprintln!("{version:04} {description}: {millis} ms");
    }
    eprintln!(
        "100,000 of each adopted in {duration:?}; {reads} reads meanwhile, the longest {longest:?}"
    );

    assert_eq!(
        table_files(&mut connection).await,
        before,
        "no table was rewritten"
    );
    assert!(
        longest < Duration::from_secs(1),
        "a reader waited {longest:?}"
    );
    let counts: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from messages where identity is not null),
           (select count(*) from conversations where user_id is not null),
           (select count(*) from users where phone_flag = 'not_e164')",
    )
    .fetch_one(&mut connection)
    .await
    .expect("counts");
    // The fixture adds one row to each count.
    assert_eq!(counts, (100_001, 100_001, 1_001));
}
