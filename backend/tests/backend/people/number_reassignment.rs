//! The person whose number it is, when a known person, a new owner, or several devices at once sign in.

use std::collections::HashSet;
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::otp::Device;
use archety_backend::people::resolve_for_sign_in;
use archety_backend::store::people::{MessagePosition, NumberOwner, Reader};
use archety_backend::store::{Actor, Store, Stored};
use rstest::rstest;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::rows::{
    ADA, BEN, ISSUER, execute, from_person, in_group, page, phone, reply, select, signed_in, store,
    texts, themselves, typed,
};
use crate::store::message_builder::id;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const DAY: Duration = Duration::from_hours(24);

fn day(n: u32) -> Timestamp {
    NOW.plus(DAY * n)
}

async fn resolve(store: &Store, number: &str, now: Timestamp) -> NumberOwner {
    resolve_for_sign_in(store, &phone(number), Device::Unknown, now)
        .await
        .expect("resolved")
}

/// Ada, who signed in on day 0, with messages, a reply, a trait and a session.
async fn ada_with_history(s: &TestStore) -> Actor {
    let ada = signed_in(s, ADA, NOW).await;
    store(s, from_person("old", ADA, NOW)).await;
    reply(s, "old reply", "old", NOW).await;
    store(s, in_group("old in group", "g", ADA, NOW)).await;
    execute!(
        s,
        "insert into user_traits (id, user_id, name, value, source, created_at, updated_at) \
         values ($1, $2, 'old', $3, 'user', $4, $4)",
        id(),
        ada.user_id,
        sqlx::types::Json(1),
        NOW
    );
    execute!(
        s,
        "insert into sessions (id, user_id, transport, issuer, remember, created_at, last_seen_at, \
           idle_expires_at, expires_at, step_up_is_test, token_counter, upstream_version) \
         values ($1, $2, 'bearer', $3, true, $4, $4, $5, $5, false, 0, 0)",
        id(),
        ada.user_id,
        ISSUER,
        NOW,
        day(400)
    );
    ada
}

/// A person who only uses the web app never texts. Their browser or app proves that the number was confirmed on
/// it before.
#[rstest]
#[tokio::test]
async fn a_known_device_finds_the_same_person_after_180_silent_days_and_an_unknown_one_does_not(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let ada = ada_with_history(&s).await;
    let known = |at| {
        let (store, number) = (s.store.clone(), phone(ADA));
        async move {
            resolve_for_sign_in(&store, &number, Device::Known, at)
                .await
                .expect("resolved")
        }
    };
    for n in [180, 365, 700] {
        let resolved = known(day(n)).await;
        assert_eq!(resolved.user_id, ada.user_id, "day {n} on {}", s.kind);
        assert!(!resolved.is_new && resolved.archived.is_none());
    }
    // An unknown device gets a new person.
    let stranger = resolve(&s.store, ADA, day(700 + 180)).await;
    assert_eq!(stranger.archived, Some(ada.user_id));
}

#[rstest]
#[tokio::test]
async fn a_text_or_a_sign_in_within_180_days_keeps_a_numbers_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("before", ADA, NOW)).await;
    let first = resolve(&s.store, ADA, day(179)).await;
    assert!(!first.is_new && first.archived.is_none());
    // More than 180 days after the last message, but less after the last sign-in.
    let again = resolve(&s.store, ADA, day(358)).await;
    assert_eq!(again.user_id, first.user_id, "{}", s.kind);
    assert_eq!(texts(s, &Reader::Operator(again.user_id)).await, ["before"]);
    // A message also keeps the person.
    store(s, from_person("between", ADA, day(500))).await;
    let third = resolve(&s.store, ADA, day(679)).await;
    assert_eq!(third.user_id, first.user_id, "{}", s.kind);
    let other = resolve(&s.store, BEN, NOW).await;
    assert!(other.is_new && other.user_id != first.user_id);
}

#[rstest]
#[tokio::test]
async fn after_180_silent_days_a_sign_in_gets_a_new_person_without_the_old_history(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let old = ada_with_history(s).await;
    let new = resolve(&s.store, ADA, day(180)).await;
    assert_eq!(
        (new.archived, new.is_new),
        (Some(old.user_id), true),
        "{}",
        s.kind
    );
    let new = signed_in(s, ADA, day(180)).await;
    assert!(texts(s, &themselves(&new)).await.is_empty());
    assert!(s.store.traits(&themselves(&new)).await.unwrap().is_empty());
    let profile = s
        .store
        .profile(&themselves(&new))
        .await
        .unwrap()
        .expect("a person");
    assert!(profile.relationship.is_none() && profile.user.name.is_none());
    assert_eq!(profile.user.phone, ADA);
    // The next message begins a new conversation.
    store(s, from_person("new", ADA, day(181))).await;
    store(s, in_group("new in group", "g", ADA, day(182))).await;
    assert_eq!(texts(s, &themselves(&new)).await, ["new in group", "new"]);
    // The old person keeps the history but neither the number nor a session.
    let mut kept = texts(s, &Reader::Operator(old.user_id)).await;
    kept.sort();
    assert_eq!(kept, ["old", "old in group", "old reply"]);
    let open: Vec<(i64,)> = select!(s, "select count(*) from sessions where ended_at is null");
    assert_eq!(open, [(0,)]);
    if s.kind == "postgres" {
        assert!(
            texts(s, &themselves(&old)).await.is_empty(),
            "row-level security"
        );
    }
    let retired = s.store.retired_accounts(ADA, ISSUER).await.unwrap();
    assert_eq!(retired, [old.subject]);
    s.store.forget_account(ISSUER, old.subject).await.unwrap();
    assert!(
        s.store
            .retired_accounts(ADA, ISSUER)
            .await
            .unwrap()
            .is_empty()
    );
    // The number is reassigned a second time.
    let third = resolve(&s.store, ADA, day(400)).await;
    assert_eq!(third.archived, Some(new.user_id));
    assert!(texts(s, &Reader::Operator(third.user_id)).await.is_empty());
    let owners: Vec<(Uuid, Option<Timestamp>)> = select!(
        s,
        "select id, archived_at from users where phone = $1 or archived_phone = $1
         order by created_at, id",
        ADA
    );
    assert_eq!(owners.len(), 3);
    assert_eq!(owners[2], (third.user_id, None));
}

#[rstest]
#[tokio::test]
async fn a_new_owner_who_texts_before_signing_in_gets_the_messages_since_the_silence(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let old = ada_with_history(s).await;
    store(s, typed("typed in between", ADA, day(20))).await;
    store(s, from_person("new 1", ADA, day(200))).await;
    let moment_later = day(200).plus(Duration::from_secs(1));
    reply(s, "new reply", "new 1", moment_later).await;
    execute!(
        s,
        "insert into commands (relay, id, seq, kind, conversation_id, body_hash, created_at) \
         select 'mini', 'cmd_a', 1, 'send_message', conversation_id, $1, created_at \
         from messages where text = 'new reply'",
        &[0_u8][..]
    );
    execute!(
        s,
        "insert into command_bubbles (relay, command_id, bubble, message_id, conversation_id, state) \
         select 'mini', 'cmd_a', 0, id, conversation_id, 'sent' from messages where text = 'new reply'"
    );
    let mut backfilled = from_person("backfilled", ADA, day(201));
    backfilled.is_backfill = true;
    backfilled.sent_at = NOW;
    store(s, backfilled).await;
    let mut elsewhere = from_person("new at mini", ADA, day(202));
    elsewhere.relay = shared_protocol::RelayName::parse("mini").expect("valid");
    store(s, elsewhere).await;
    store(s, in_group("new in group", "g", ADA, day(203))).await;
    execute!(
        s,
        "insert into user_traits (id, user_id, name, value, source, created_at, updated_at) \
         values ($1, $2, 'new', $3, 'sage', $4, $4)",
        id(),
        old.user_id,
        sqlx::types::Json(2),
        day(203)
    );
    let new = signed_in(s, ADA, day(210)).await;
    assert_ne!(new.user_id, old.user_id, "{}", s.kind);
    let news = ["new in group", "new at mini", "new reply", "new 1"];
    assert_eq!(texts(s, &themselves(&new)).await, news, "{}", s.kind);
    let seen = page(s, &themselves(&new), MessagePosition::TOP, 100, None).await;
    let reply = seen.iter().find(|row| row.text == "new reply");
    assert_eq!(reply.and_then(|row| row.delivery.as_deref()), Some("sent"));
    let mut olds = texts(s, &Reader::Operator(old.user_id)).await;
    olds.sort();
    let all = [
        "backfilled",
        "old",
        "old in group",
        "old reply",
        "typed in between",
    ];
    assert_eq!(olds, all, "{}", s.kind);
    let traits = s.store.traits(&themselves(&new)).await.unwrap();
    assert_eq!(
        traits.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        ["new"]
    );
    // The new person's figures count their three messages.
    let figures: Vec<(i64, Option<Timestamp>)> = select!(
        s,
        "select message_count, last_interaction_at from relationships where user_id = $1",
        new.user_id
    );
    assert_eq!(figures, [(3, Some(day(203)))], "{}", s.kind);
    // The next message continues the same conversation.
    let next = store(s, from_person("next", ADA, day(211))).await;
    assert!(matches!(next, Stored::Accepted(_)));
    let conversations: Vec<(i64,)> = select!(
        s,
        "select count(distinct conversation_id) from messages \
         where text in ('next', 'new 1', 'new reply')"
    );
    assert_eq!(conversations, [(1,)]);
    let handles: Vec<(String,)> = select!(
        s,
        "select p.handle from participants p join messages m on m.conversation_id = p.conversation_id \
         where m.text = 'next'"
    );
    assert_eq!(handles, [(ADA.to_owned(),)]);
    // The next sign-in finds the same person.
    assert_eq!(resolve(&s.store, ADA, day(212)).await.user_id, new.user_id);
}

#[rstest]
#[tokio::test]
async fn a_sign_in_between_two_messages_more_than_180_days_apart_keeps_the_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("early", ADA, NOW)).await;
    let ada = resolve(&s.store, ADA, day(100)).await;
    store(s, from_person("late", ADA, day(250))).await;
    let again = resolve(&s.store, ADA, day(260)).await;
    assert_eq!(again.user_id, ada.user_id, "{}", s.kind);
    assert_eq!(
        texts(s, &Reader::Operator(ada.user_id)).await,
        ["late", "early"]
    );
}

#[rstest]
#[tokio::test]
async fn a_sign_in_does_not_find_a_person_whose_number_is_not_in_e164(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    for (number, flag) in [("15550100001", "not_e164"), ("5550100001", "collides")] {
        execute!(
            s,
            "insert into users (id, phone, phone_flag, created_at) values ($1, $2, $3, $4)",
            id(),
            number,
            flag,
            NOW
        );
    }
    let ada = resolve(&s.store, ADA, NOW).await;
    assert!(ada.is_new, "{}", s.kind);
    let people: Vec<(i64,)> = select!(s, "select count(*) from users");
    assert_eq!(people, [(3,)]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn twenty_simultaneous_sign_ins_find_one_person_and_archive_at_most_one(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let replicas = [s.store.clone(), s.second().await];
    // Rounds: an unknown number, one in use, a silent one, and one silent until its new owner texted.
    for round in 0..4_u32 {
        let number = format!("+1555010100{round}");
        let now = day(300);
        if round > 0 {
            let first_text_at = if round == 1 { day(299) } else { NOW };
            store(
                &s,
                from_person(&format!("first {round}"), &number, first_text_at),
            )
            .await;
        }
        if round == 3 {
            store(&s, from_person("since", &number, day(290))).await;
        }
        let mut tasks = JoinSet::new();
        for n in 0..20 {
            let (replica, number) = (replicas[n % 2].clone(), number.clone());
            tasks.spawn(async move { resolve(&replica, &number, now).await });
        }
        let all = tasks.join_all().await;
        let ids: HashSet<_> = all.iter().map(|resolved| resolved.user_id).collect();
        assert_eq!(ids.len(), 1, "round {round} on {}", s.kind);
        let archived = all
            .iter()
            .filter(|resolved| resolved.archived.is_some())
            .count();
        assert_eq!(
            archived,
            usize::from(round >= 2),
            "round {round} on {}",
            s.kind
        );
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn messages_during_a_reassignment_belong_to_the_new_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let replicas = [s.store.clone(), s.second().await];
    for round in 0..15_u32 {
        let number = format!("+1555010{:04}", 2000 + round);
        store(&s, from_person(&format!("old {round}"), &number, NOW)).await;
        let sign_in = {
            let (replica, number) = (replicas[0].clone(), number.clone());
            tokio::spawn(async move { resolve(&replica, &number, day(300)).await })
        };
        let mut writing = JoinSet::new();
        for n in 0..5 {
            let message = from_person(&format!("new {round} {n}"), &number, day(300));
            let replica = replicas[1].clone();
            writing.spawn(async move { replica.store_message(message).await });
        }
        for stored in writing.join_all().await {
            assert!(matches!(stored, Ok(Stored::Accepted(_))), "{stored:?}");
        }
        let new = sign_in.await.expect("no panic");
        assert!(new.archived.is_some(), "round {round} on {}", s.kind);
        // The new person has all new messages and no old one, whether a message or the sign-in came first.
        let theirs: Vec<(String,)> = select!(
            s,
            "select identity from messages m join conversations c on c.id = m.conversation_id \
             where m.user_id = $1 and c.user_id = $1 order by identity",
            new.user_id
        );
        let expected: Vec<_> = (0..5).map(|n| (format!("new {round} {n}"),)).collect();
        assert_eq!(theirs, expected, "round {round} on {}", s.kind);
    }
}

#[rstest]
#[tokio::test]
async fn a_rehearsed_message_does_not_keep_a_numbers_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let first = signed_in(s, ADA, NOW).await;
    let mut rehearsed = from_person("rehearsed", ADA, day(179));
    (rehearsed.relay, rehearsed.persona_id) = (rehearsed.relay.rehearsal(), None);
    store(s, rehearsed).await;
    let after = resolve(&s.store, ADA, day(180)).await;
    assert_eq!(after.archived, Some(first.user_id), "{}", s.kind);
}
