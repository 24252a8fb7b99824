//! `person export` and `person delete` by the binary, for a person who only sent texts, and for handles that
//! are no phone number.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use archety_backend::clock::Clock;
use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Store, Stored};
use serde_json::Value;

use crate::store::message_builder::{direct, from, in_chat};

const ADA: &str = "+15550100001";

fn person(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    person_given(folder, arguments, "")
}

/// Runs `person` with `given` on standard input.
fn person_given(folder: &Path, arguments: &[&str], given: &str) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_archety-backend"))
        .current_dir(folder)
        .env_clear()
        .arg("person")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut input = child.stdin.take().expect("a pipe");
    // A command that does not read closes the pipe.
    let _ = input.write_all(given.as_bytes());
    drop(input);
    let output: Output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Stores a message of Ada, who never signed in.
async fn store_text(folder: &Path) {
    store_texts_from(folder, &[ADA]).await;
}

/// Stores a message from each handle.
async fn store_texts_from(folder: &Path, handles: &[&str]) {
    let config = DatabaseConfig::from(DatabaseKind::Sqlite {
        path: folder.join("archety.db"),
    });
    let store = Store::open(&config, Environment::Development, Clock::System.now())
        .await
        .expect("no other process has it open");
    for handle in handles {
        let message = from(direct(handle), handle);
        let mut message = in_chat(message, &format!("iMessage;-;{handle}"));
        message.chat.participants = vec![(*handle).to_owned()];
        let stored = store.store_message(message).await;
        assert!(matches!(stored, Ok(Stored::Accepted(_))), "{stored:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_person_who_only_sent_texts_is_exported_and_deleted_by_number() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    store_text(folder).await;
    let export = || {
        let (code, document, notes) = person(folder, &["export", "--phone", ADA]);
        assert_eq!(code, Some(0), "{notes}");
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

    let (code, _, notes) = person(folder, &["delete", "--phone", ADA]);
    assert_eq!(code, Some(1), "{notes}");
    assert!(
        notes.contains("1 person(s)") && notes.contains("--yes"),
        "{notes}"
    );
    assert!(export().contains("hello"), "nothing was done");

    let (code, _, notes) = person(folder, &["delete", "--phone", ADA, "--yes"]);
    assert_eq!(code, Some(0), "{notes}");
    assert!(notes.contains("1 person(s) deleted"), "{notes}");
    assert!(!notes.contains(ADA), "{notes}");

    let (code, document, notes) = person(folder, &["export", "--phone", ADA]);
    assert_eq!((code, document.as_str()), (Some(1), ""), "{notes}");
    assert!(
        notes.contains("no person is known by this number"),
        "{notes}"
    );
    let (code, _, notes) = person(folder, &["delete", "--phone", ADA, "--yes"]);
    assert_eq!(code, Some(0), "{notes}");
    assert!(notes.contains("nothing is there"), "{notes}");
}

#[tokio::test]
async fn a_handle_on_standard_input_is_exported_and_deleted_in_any_spelling() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let others = "other@example.com";
    let handles = [
        "E:Ann@Example.com",
        "262966",
        "urn:biz:0000-11",
        "56249(smsfp)",
        ADA,
        others,
    ];
    store_texts_from(folder, &handles).await;
    for (given, stored, people) in [
        ("ann@example.com\n", "E:Ann@Example.com", 0),
        ("  mailto:ANN@example.com\r\n", "E:Ann@Example.com", 0),
        ("tel: 262966", "262966", 0),
        ("urn:biz:0000-11\n", "urn:biz:0000-11", 0),
        ("56249(smsfp)\n", "56249(smsfp)", 0),
        ("P:+1 (555) 010-0001\n", ADA, 1),
    ] {
        let (code, document, notes) = person_given(folder, &["export"], given);
        assert_eq!(code, Some(0), "{given:?}: {notes}");
        let document: Value = serde_json::from_str(&document).expect("JSON");
        assert_eq!(document["people"].as_array().map(Vec::len), Some(people));
        let whole = document.to_string();
        assert!(
            whole.contains(stored) && whole.contains("hello"),
            "{given:?}: {whole}"
        );
        assert!(!whole.contains(others), "{whole}");
        let (code, _, refused) = person_given(folder, &["delete"], given);
        assert_eq!(code, Some(1), "{refused}");
        assert!(refused.contains("--yes"), "{refused}");
        assert!(!refused.contains(stored), "{refused}");
    }
    for (n, given) in [
        "e:ANN@example.com",
        "262966",
        "urn:biz:0000-11",
        "56249(smsfp)",
        ADA,
    ]
    .into_iter()
    .enumerate()
    {
        let (code, out, notes) = person_given(folder, &["delete", "--yes"], given);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{notes}");
        let people = usize::from(n == 4);
        assert!(
            notes.contains(&format!("{people} person(s) deleted")),
            "{notes}"
        );
        let (code, document, notes) = person_given(folder, &["export"], given);
        assert_eq!((code, document.as_str()), (Some(1), ""), "{notes}");
        let why = if people == 1 {
            "no person is known by this number"
        } else {
            "nothing is known of this handle"
        };
        assert!(notes.contains(why), "{notes}");
        let (code, _, notes) = person_given(folder, &["delete", "--yes"], given);
        assert_eq!(code, Some(0), "{notes}");
        assert!(notes.contains("nothing is there"), "{notes}");
    }
    let (code, document, notes) = person_given(folder, &["export"], others);
    assert_eq!(code, Some(0), "{notes}");
    assert!(document.contains("hello"), "{document}");
}

#[test]
fn a_text_that_is_no_handle_is_refused_before_the_database_is_opened() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (given, why) in [
        ("", "no handle is given"),
        ("E:\n", "this is no handle"),
        ("262966\n262967\n", "several lines"),
    ] {
        for arguments in [&["export"][..], &["delete", "--yes"]] {
            let (code, out, notes) = person_given(folder.path(), arguments, given);
            assert_eq!((code, out.as_str()), (Some(1), ""), "{notes}");
            assert!(notes.contains(why), "{given:?}: {notes}");
        }
    }
    assert!(!folder.path().join("archety.db").exists());
    for command in ["export", "delete"] {
        let (code, help, _) = person(folder.path(), &[command, "--help"]);
        assert_eq!(code, Some(0));
        for part in [
            "standard input",
            "e-mail address",
            "short code",
            "< handle.txt",
        ] {
            assert!(help.contains(part), "{command}: {part}: {help}");
        }
    }
}
