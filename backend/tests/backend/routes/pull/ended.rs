//! Texts that no relay fetches in their time.

use archety_backend::store::replies::EndedBubbles;
use rstest::rstest;
use shared_protocol::CommandBody;

use super::support::{
    at, carried, first_pull, pull, pull_after, pull_with_acks, rows, states, strings, write,
    write_body,
};
use crate::support::{Engine, Postgres, Sqlite, TestApp};

#[rstest]
#[tokio::test]
async fn a_text_that_no_answer_has_carried_expires_a_day_after_its_last_moment(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    write(&app.store, "cmd_handed", &["1"]).await;
    pull(&relay, "1", &first_pull("one")).await;
    write(&app.store, "cmd_late", &["1", "2"]).await;
    write_body(&app.store, "cmd_ping", &CommandBody::Ping).await;
    let end = async |secs: i64| app.store.end_unhanded_texts(at(secs)).await.expect("ended");
    let a_day_after = 3_600 + 24 * 3_600;
    assert_eq!(end(a_day_after).await, EndedBubbles::default());
    let expired = EndedBubbles {
        expired: 2,
        unknown: 0,
    };
    assert_eq!(end(a_day_after + 1).await, expired);
    assert_eq!(end(a_day_after + 1).await, EndedBubbles::default());
    assert_eq!(
        states(&app.base).await,
        ["pending", "expired", "expired", "pending"]
    );
    let with_text = "select id from commands where body is not null order by seq";
    assert_eq!(
        strings(&app.base, with_text).await,
        ["cmd_handed", "cmd_ping"]
    );
    assert_eq!(app.store.attention_count().await.expect("counted"), 2);
    let answer = pull(&relay, "2", &pull_after("one", (1, "cmd_handed"))).await;
    assert_eq!(carried(&answer), rows(&[(3, "cmd_ping", false)]));
    // An answer that was on its way may have carried the text all the same.
    pull(&relay, "3", &pull_with_acks(&[("cmd_late", 0, "sent")])).await;
    assert_eq!(states(&app.base).await[1], "sent");
}
