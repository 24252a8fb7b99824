//! `person export` and `person delete` by the binary, for somebody who only ever texted.

use std::path::Path;
use std::process::{Command, Output};

use archety_backend::clock::Clock;
use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Store, Stored};
use serde_json::Value;

use crate::store::draft::direct;

const ADA: &str = "+15550100001";

fn person(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_archety-backend"))
        .current_dir(folder)
        .env_clear()
        .arg("person")
        .args(arguments)
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A message of Ada's, who never signed in.
async fn text(folder: &Path) {
    let config = DatabaseConfig::from(DatabaseKind::Sqlite {
        path: folder.join("archety.db"),
    });
    let store = Store::open(&config, Environment::Development, Clock::System.now())
        .await
        .expect("nobody has it open");
    let stored = store.store_message(direct("one")).await;
    assert!(matches!(stored, Ok(Stored::Accepted(_))), "{stored:?}");
    store.close().await;
}

#[tokio::test]
async fn who_only_texted_is_exported_and_deleted_by_number() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    text(folder).await;
    let export = || {
        let (code, document, told) = person(folder, &["export", "--phone", ADA]);
        assert_eq!(code, Some(0), "{told}");
        let document: Value = serde_json::from_str(&document).expect("JSON");
        let people = document["people"].as_array().expect("a list").clone();
        assert_eq!(people.len(), 1, "{document}");
        people[0].to_string()
    };
    let exported = export();
    assert!(
        exported.contains(ADA) && exported.contains("hello"),
        "{exported}"
    );

    let (code, _, told) = person(folder, &["delete", "--phone", ADA]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("1 person(s)") && told.contains("--yes"),
        "{told}"
    );
    assert!(export().contains("hello"), "nothing was done");

    let (code, _, told) = person(folder, &["delete", "--phone", ADA, "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("1 person(s) deleted"), "{told}");
    assert!(!told.contains(ADA), "{told}");

    let (code, document, told) = person(folder, &["export", "--phone", ADA]);
    assert_eq!((code, document.as_str()), (Some(1), ""), "{told}");
    assert!(told.contains("nobody is known by this number"), "{told}");
    let (code, _, told) = person(folder, &["delete", "--phone", ADA, "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("nothing is there"), "{told}");
}
