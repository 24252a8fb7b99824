//! A relay that is killed or whose disk is full loses no message and posts none twice.

use super::*;
use crate::state::StateError;

#[test]
fn a_failed_transaction_posts_nothing_and_loses_no_row() {
    let mut mac = Mac::new();
    for n in 0..10 {
        mac.receive(ADA, &format!("{n}"));
    }
    // The database has no room for another page: the commit fails as on a full disk.
    let pages: i64 = mac
        .state()
        .read(|s| s.pragma_query_value(None, "page_count", |r| r.get(0)))
        .unwrap();
    set_max_pages(&mac, pages);
    mac.receive(ADA, &"x".repeat(40_000));
    let error = mac.try_run_relay().expect_err("the disk is full");
    assert!(
        matches!(error, PipelineError::State(StateError::DiskFull(_))),
        "{error:?}"
    );
    assert!(mac.posted().is_empty());
    set_max_pages(&mac, 1_000_000);
    mac.run_relay();
    assert_eq!(mac.posted().len(), 11);
}

fn set_max_pages(mac: &Mac, pages: i64) {
    mac.state()
        .write(|tx| tx.query_row(&format!("pragma max_page_count = {pages}"), [], |_| Ok(())))
        .unwrap();
}

#[test]
fn rows_that_are_read_again_are_not_posted_again() {
    let mut mac = Mac::new();
    for n in 0..10 {
        mac.receive(ADA, &format!("{n}"));
    }
    mac.run_relay();
    let before = mac.texts();
    // The cursor goes back, as if the relay had not read the last rows, and the outbox stays.
    mac.state()
        .write(|tx| tx.execute("update source set cursor = 3", []))
        .unwrap();
    mac.run_relay();
    mac.state()
        .write(|tx| tx.execute_batch("delete from seen; update source set cursor = 0"))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), before);
}

#[test]
fn a_thousand_rows_over_many_restarts_are_a_thousand_posts_in_order() {
    let mut mac = Mac::new();
    for n in 0..1_000 {
        mac.receive(if n % 3 == 0 { ADA } else { BOB }, &format!("{n}"));
        if n % 97 == 0 {
            mac.run_relay();
        }
    }
    mac.run_relay();
    let texts: Vec<u32> = mac
        .texts()
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    assert_eq!(texts, (0..1_000).collect::<Vec<_>>());
}
