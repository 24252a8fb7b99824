//! Tests of the export: people who were deleted between the look for them and the export of their data.

use serde_json::Value;

use super::*;
use crate::config::{DatabaseConfig, DatabaseKind, Environment};
use crate::store::people::ConfirmedNumber;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

async fn person(store: &Store, phone: &str, id: u128) -> Uuid {
    let number = ConfirmedNumber {
        phone,
        new_user_id: Uuid::from_u128(id),
        is_known_device: false,
    };
    let owner = store.resolve_owner(number, NOW).await;
    owner.expect("a store").user_id
}

/// The exported list.
async fn exported(store: &Store, people: &[Uuid]) -> Vec<Value> {
    let mut document = String::new();
    let mut print = |piece: &str| {
        document.push_str(piece);
        Ok(())
    };
    let exported = export_people(store, people, NOW, &mut print).await;
    assert!(exported.is_ok());
    serde_json::from_str(&document).expect("a JSON list")
}

#[tokio::test]
async fn people_who_have_vanished_leave_no_gap_in_the_list() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = DatabaseConfig::from(DatabaseKind::Sqlite {
        path: folder.path().join("archety.db"),
    });
    let store = Store::open(&config, Environment::Development, NOW).await;
    let store = store.expect("a new database");
    let ada = person(&store, "+15550100001", 1).await;
    let bob = person(&store, "+15550100002", 2).await;
    let vanished = Uuid::from_u128(9);
    for (people, expected) in [
        ([vanished, ada, bob], 2),
        ([ada, vanished, bob], 2),
        ([ada, bob, vanished], 2),
        ([vanished, vanished, bob], 1),
        ([vanished; 3], 0),
    ] {
        assert_eq!(
            exported(&store, &people).await.len(),
            expected,
            "{people:?}"
        );
    }
    store.close().await;
}
