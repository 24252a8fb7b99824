//! `person export` and `person delete`, run as a program, for a person who only sent texts and for handles that are
//! no phone number.

use std::path::Path;

use archety_backend::clock::Clock;
use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Store, Stored};
use test_process::Run;

use crate::cli::backend;
use crate::store::message_builder::{direct, from, in_chat};

const ADA: &str = "+15550100001";

fn person(folder: &Path, arguments: &[&str]) -> Run {
    person_with_input(folder, arguments, "")
}

/// Runs `person` with `input` on standard input.
fn person_with_input(folder: &Path, arguments: &[&str], input: &str) -> Run {
    let mut command = backend(folder, &[]);
    Run::with_input(command.arg("person").args(arguments), input)
}

/// Stores a message of Ada, who never signs in.
async fn store_text_from_ada(folder: &Path) {
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
    store_text_from_ada(folder).await;
    let export = || {
        let run = person(folder, &["export", "--phone", ADA]);
        run.expect_code(0);
        let document = run.json();
        let people = document["people"].as_array().expect("a list").clone();
        assert_eq!(people.len(), 1, "{document}");
        people[0].to_string()
    };
    let exported = export();
    assert!(
        exported.contains(ADA) && exported.contains("hello"),
        "{exported}"
    );

    let refused = person(folder, &["delete", "--phone", ADA]);
    refused.expect_code(1);
    refused.expect_err("1 person(s)");
    refused.expect_err("--yes");
    assert!(export().contains("hello"), "nothing was done");

    let deleted = person(folder, &["delete", "--phone", ADA, "--yes"]);
    deleted.expect_code(0);
    deleted.expect_err("1 person(s) deleted");
    assert!(!deleted.err.contains(ADA), "{deleted:?}");

    let unknown = person(folder, &["export", "--phone", ADA]);
    assert_eq!(unknown.expect_code(1), "");
    unknown.expect_err("no person is known by this number");
    let again = person(folder, &["delete", "--phone", ADA, "--yes"]);
    again.expect_code(0);
    again.expect_err("nothing was deleted");
}

#[tokio::test]
async fn a_handle_on_standard_input_is_exported_and_deleted_in_any_spelling() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let other_handle = "other@example.com";
    let handles = [
        "E:Ann@Example.com",
        "262966",
        "urn:biz:0000-11",
        "56249(smsfp)",
        ADA,
        other_handle,
    ];
    store_texts_from(folder, &handles).await;
    for (input, stored, people) in [
        ("ann@example.com\n", "E:Ann@Example.com", 0),
        ("  mailto:ANN@example.com\r\n", "E:Ann@Example.com", 0),
        ("tel: 262966", "262966", 0),
        ("urn:biz:0000-11\n", "urn:biz:0000-11", 0),
        ("56249(smsfp)\n", "56249(smsfp)", 0),
        ("P:+1 (555) 010-0001\n", ADA, 1),
    ] {
        let export = person_with_input(folder, &["export"], input);
        assert_eq!(export.code, Some(0), "{input:?}: {export:?}");
        let document = export.json();
        assert_eq!(document["people"].as_array().map(Vec::len), Some(people));
        let document = document.to_string();
        assert!(
            document.contains(stored) && document.contains("hello"),
            "{input:?}: {document}"
        );
        assert!(!document.contains(other_handle), "{document}");
        let refused = person_with_input(folder, &["delete"], input);
        refused.expect_code(1);
        refused.expect_err("--yes");
        assert!(!refused.err.contains(stored), "{refused:?}");
    }
    for (input, people) in [
        ("e:ANN@example.com", 0),
        ("262966", 0),
        ("urn:biz:0000-11", 0),
        ("56249(smsfp)", 0),
        (ADA, 1),
    ] {
        let deleted = person_with_input(folder, &["delete", "--yes"], input);
        assert_eq!(deleted.expect_code(0), "");
        deleted.expect_err(&format!("{people} person(s) deleted"));
        let unknown = person_with_input(folder, &["export"], input);
        assert_eq!(unknown.expect_code(1), "");
        let reason = if people == 1 {
            "no person is known by this number"
        } else {
            "nothing is known of this handle"
        };
        unknown.expect_err(reason);
        let again = person_with_input(folder, &["delete", "--yes"], input);
        again.expect_code(0);
        again.expect_err("nothing was deleted");
    }
    let kept = person_with_input(folder, &["export"], other_handle);
    assert!(kept.expect_code(0).contains("hello"), "{kept:?}");
}

#[test]
fn input_that_is_not_one_handle_is_refused_before_the_database_is_opened() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (input, reason) in [
        ("", "no handle is given"),
        ("E:\n", "this is no handle"),
        ("262966\n262967\n", "several lines"),
    ] {
        for arguments in [&["export"][..], &["delete", "--yes"]] {
            let refused = person_with_input(folder.path(), arguments, input);
            assert_eq!(refused.expect_code(1), "", "{input:?}");
            refused.expect_err(reason);
        }
    }
    assert!(!folder.path().join("archety.db").exists());
}

#[test]
fn help_describes_the_handles_that_can_be_given_on_standard_input() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in ["export", "delete"] {
        let run = person(folder.path(), &[command, "--help"]);
        let help = run.expect_code(0);
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
