//! States of an earlier release, which skipped filtered rows for good, and transactions that fail.

use super::*;

/// Changes the state to that of a release that skipped filtered rows and did not list them.
fn skip_as_earlier_release(mac: &Mac) {
    mac.state()
        .write(|tx| {
            tx.execute("delete from filtered", [])?;
            tx.execute(
                "update seen set chat_guid = null, chat_mode = null, attachment_digest = digest,
                     twin = zeroblob(16)
                 where outcome = 'spam'",
                [],
            )
        })
        .unwrap();
}

#[test]
fn rows_skipped_by_an_earlier_version_are_listed_and_posted_when_lifted() {
    for lifted_meanwhile in [false, true] {
        let mut mac = Mac::new();
        let row = hold_back(&mut mac, FilterMark::Chat(CATEGORY), "hello");
        skip_as_earlier_release(&mac);
        if lifted_meanwhile {
            FilterMark::Chat(CATEGORY).lift(&mut mac, row);
        }
        mac.advance(hours(24 * 20));
        mac.start(FirstRun::Now, Options::default());
        assert_eq!(mac.filtered().len(), 1, "listed before chat.db was opened");
        mac.run_relay();
        if !lifted_meanwhile {
            let held = mac.state().read(filtered_rows::list).unwrap();
            assert_eq!(held[0].reason, "category");
            let body = Message::from_json(held[0].body.as_ref().unwrap()).unwrap();
            assert_eq!(body.text, "hello");
            FilterMark::Chat(CATEGORY).lift(&mut mac, row);
            mac.run_relay();
        }
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 1, "{lifted_meanwhile}");
        assert!(posted[0].is_backfill);
        // From here on the message is like any other.
        mac.messages.edit(row, "hello!", mac.now()).unwrap();
        mac.run_relay();
        assert!(mac.filtered().is_empty());
    }
}

#[test]
fn a_row_deleted_since_an_earlier_version_leaves_the_list() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(CATEGORY), "hello");
    skip_as_earlier_release(&mac);
    mac.messages.delete_message(row).unwrap();
    mac.start(FirstRun::Now, Options::default());
    mac.run_relay();
    mac.start(FirstRun::Now, Options::default());
    assert!(mac.filtered().is_empty(), "the row is not listed again");
}

#[test]
fn many_rows_of_an_earlier_version_are_read_in_slices() {
    let mut mac = Mac::new();
    let (junk, handle) = filtered_chat(&mut mac, Filter::SPAM, "+15550100009");
    for n in 0..700 {
        let now = mac.now();
        let message = NewMessage::incoming(handle, now).text(format!("{n}"));
        mac.messages.deliver(junk, &message).unwrap();
    }
    mac.run_relay();
    skip_as_earlier_release(&mac);
    mac.start(FirstRun::Now, Options::default());
    mac.run_relay();
    let held = mac.state().read(filtered_rows::list).unwrap();
    assert_eq!(held.len(), 700);
    assert!(held.iter().all(|row| row.body.is_some()));
    mac.messages
        .set_chat_column(junk, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.run_relay();
    let expected: Vec<String> = (0..700).map(|n| n.to_string()).collect();
    assert_eq!(mac.texts(), expected);
}

#[test]
fn a_message_is_still_held_after_a_kill_before_the_commit_and_later_posted_once() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
    let sql = |mac: &Mac, sql: &str| mac.state().write(|tx| tx.execute_batch(sql)).unwrap();
    for step in ["delete on filtered", "insert on outbox", "update on seen"] {
        sql(
            &mac,
            &format!("create trigger killed before {step} begin select raise(abort, 'now'); end"),
        );
        let error = mac.try_run_relay().expect_err("it is killed");
        assert!(matches!(error, PipelineError::State(_)), "{error:?}");
        assert!(mac.posted().is_empty(), "{step}");
        assert_eq!(mac.filtered().len(), 1, "{step}");
        assert_eq!(mac.outcome(row), Some(RowOutcome::Spam), "{step}");
        sql(&mac, "drop trigger killed");
    }
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello"]);
    assert!(mac.filtered().is_empty());
}

#[test]
fn reading_the_same_rows_again_lists_nothing_twice_and_posts_nothing_twice() {
    let mut mac = Mac::new();
    let rows: Vec<i64> = (0..3)
        .map(|n| hold_back(&mut mac, FilterMark::Spam, &format!("{n}")))
        .collect();
    // The cursor goes back, as if the relay had never read these rows, and the list stays.
    let run_sql = |mac: &Mac, sql: &str| mac.state().write(|tx| tx.execute_batch(sql)).unwrap();
    run_sql(&mac, "update source set cursor = 0");
    mac.run_relay();
    assert_eq!(mac.filtered().len(), 3);
    run_sql(&mac, "delete from seen; update source set cursor = 0");
    mac.run_relay();
    assert_eq!(mac.filtered().len(), 3);
    for row in &rows {
        FilterMark::Spam.lift(&mut mac, *row);
    }
    run_sql(&mac, "update source set cursor = 0");
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.texts(), ["0", "1", "2"]);
}
