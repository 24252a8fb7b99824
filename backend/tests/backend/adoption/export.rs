//! A person's export contains the JSON values of their adopted rows.

use archety_backend::config::Environment;
use archety_backend::people::Export;
use archety_backend::store::people::Reader;
use archety_backend::store::{Adoption, Store};
use serde_json::Value;
use uuid::Uuid;

use super::{migrate, older_database};
use crate::support::NOW;

/// A person, and the JSON of their row, relationship, conversation and message.
type PersonWithJson = (
    Uuid,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

#[tokio::test]
async fn adopted_json_columns_are_in_the_persons_export() {
    let database = older_database().await;
    let mut connection = database.connect().await;
    let sql = "select u.id, u.metadata::text, r.metadata::text, c.metadata::text, m.metadata::text \
               from users u join relationships r on r.user_id = u.id \
               join messages m on m.user_id = u.id join conversations c on c.id = m.conversation_id \
               where u.phone = '+15550100001'";
    let (person, user, relationship, conversation, message): PersonWithJson = sqlx::query_as(sql)
        .fetch_one(&mut connection)
        .await
        .expect("one person");
    migrate(&database, Adoption::Allowed)
        .await
        .expect("adopted");
    let store = Store::open(&database.config(), Environment::Development, NOW)
        .await
        .expect("migrated");
    let export = Export::begin(&store, Reader::Operator(person), NOW).await;
    let mut export = export.expect("read").expect("a person");
    let mut document = String::new();
    while let Some(piece) = export.next_piece().await.expect("read") {
        document.push_str(&piece);
    }
    store.close().await;
    let document: Value = serde_json::from_str(&document).expect("one document");
    let exported_message = (document["messages"].as_array().expect("a list").iter())
        .find(|message| message["role"] == "user")
        .expect("their message");
    let found = [
        &document["user"]["meta_data"],
        &document["relationships"][0]["meta_data"],
        &document["conversations"][0]["meta_data"],
        &exported_message["meta_data"],
    ];
    let parsed = |text: Option<String>| -> Value {
        text.map_or(Value::Null, |text| {
            serde_json::from_str(&text).expect("JSON")
        })
    };
    let expected = [user, relationship, conversation, message].map(parsed);
    let objects = expected.iter().filter(|json| json.is_object()).count();
    assert!(objects >= 3, "most of the compared values are not null");
    assert_eq!(found.map(Clone::clone), expected);
}
