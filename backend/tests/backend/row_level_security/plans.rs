//! Policies use indexes: with 110,000 messages no query scans a whole table.

use super::*;
use crate::support::TestDatabase;

/// A thousand people with a chat of a hundred messages each, and one group in which all of them write.
const THOUSAND_PEOPLE: &str = "
    insert into users (id, phone)
      select md5('u' || n)::uuid, '+1555' || lpad(n::text, 7, '0') from generate_series(1, 1000) n;
    insert into accounts (issuer, user_id, subject, created_at, confirmed_at)
      select 'https://issuer.example/auth/v1', md5('u' || n)::uuid, md5('s' || n)::uuid, now(), now()
      from generate_series(1, 1000) n;
    insert into conversations (id, chat_guid, guid, mode, user_id)
      select md5('c' || n)::uuid, n::text, n::text, 'direct', md5('u' || n)::uuid
      from generate_series(1, 1000) n
      union all select md5('group')::uuid, 'group', 'group', 'group', null;
    insert into messages (id, conversation_id, user_id, role, text, created_at)
      select md5('m' || n)::uuid, md5('c' || (n % 1000 + 1))::uuid,
        case when n % 2 = 0 then md5('u' || (n % 1000 + 1))::uuid end, 'user', 'text',
        now() - n * interval '1 second'
      from generate_series(1, 100000) n
      union all select md5('g' || n)::uuid, md5('group')::uuid, md5('u' || (n % 1000 + 1))::uuid,
        'user', 'text', now() - n * interval '1 second'
      from generate_series(1, 10000) n;
    insert into user_traits (id, user_id, name, value, source, created_at, updated_at)
      select md5('t' || n)::uuid, md5('u' || (n % 1000 + 1))::uuid, n::text, '1', 's', now(), now()
      from generate_series(1, 10000) n;
    insert into sessions (id, user_id, transport, issuer, remember, created_at, last_seen_at,
        idle_expires_at, expires_at, step_up_is_test, token_counter, upstream_session_id,
        upstream_version)
      select md5('e' || n)::uuid, md5('u' || n)::uuid, 'bearer', 'https://issuer.example/auth/v1', false,
        now(), now(), now() + '1 day', now() + '1 day', false, 1, n::text, 1
      from generate_series(1, 1000) n;
    insert into commands (relay, id, seq, kind, conversation_id, body_hash, created_at)
      select 'mini', 'cmd_' || n, n, 'send_message', md5('c' || (n % 1000 + 1))::uuid, ''::bytea, now()
      from generate_series(1, 10000) n;
    insert into command_bubbles (relay, command_id, bubble, message_id, conversation_id)
      select 'mini', 'cmd_' || n, b, md5('m' || n)::uuid, md5('c' || (n % 1000 + 1))::uuid
      from generate_series(1, 10000) n, generate_series(0, 4) b;
    insert into relationships (user_id, persona_id) select id, 'sage' from users;
    insert into trait_profiles select id, '{}', now(), now() from users;
    insert into onboarding_sessions
      select gen_random_uuid(), id, 'sage', 's', '{}', now(), now() from users;
    analyze";

/// Queries of user routes and the Data API, with and without a condition on the owner.
const QUERIES: [&str; 11] = [
    "select * from messages",
    "select * from messages order by created_at desc, id desc limit 50",
    "select * from messages where user_id = app.uid() order by created_at desc limit 50",
    "select message_id, state from command_bubbles",
    "select m.text, (select b.state from command_bubbles b where b.message_id = m.id limit 1)
     from messages m order by m.created_at desc, m.id desc limit 50",
    "select * from conversations",
    "select * from users",
    "select * from relationships",
    "select * from user_traits",
    "select * from trait_profiles",
    "select * from onboarding_sessions",
];

#[tokio::test]
async fn no_query_under_a_policy_scans_a_whole_table_or_calls_uid_for_each_row() {
    let database = TestDatabase::migrated().await;
    let mut connection = database.connect().await;
    connection.execute(THOUSAND_PEOPLE).await.expect("rows");
    for role in ["authenticated", "archety_user"] {
        let mut transaction = connection.begin().await.expect("begun");
        sqlx::query(
            "select set_config('role', $1, true), set_config('request.jwt.claims',
               json_build_object('iss', 'https://issuer.example/auth/v1', 'sub', md5('s7')::uuid,
                 'session_id', '7')::text, true)",
        )
        .bind(role)
        .execute(&mut *transaction)
        .await
        .expect("become");
        for sql in QUERIES {
            let explain = format!("explain (analyze, costs off, timing off) {sql}");
            let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(explain))
                .fetch_all(&mut *transaction)
                .await
                .expect("a plan");
            let plan = plan.join("\n");
            assert!(!plan.contains("Seq Scan"), "{role}: {sql}\n{plan}");
            assert!(
                plan.contains("InitPlan"),
                "app.uid() is called once\n{plan}"
            );
        }
        let seen: (i64, i64) = sqlx::query_as(
            "select count(*), count(*) filter (where user_id = app.uid()) from messages",
        )
        .fetch_one(&mut *transaction)
        .await
        .expect("a count");
        // Person 7 sees the hundred messages of their chat and their own ten in the group.
        assert_eq!(seen.0, 110, "{role}");
        transaction.rollback().await.expect("rolled back");
    }
}
