//! Archives that were recorded from a Mac.
//!
//! The recordings lie in a folder beside the repository. If the folder is missing, these tests print a
//! warning and pass; the generated archives of the other tests cover every feature of the format.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attributed_body::{DecodeError, decode, decode_text};

fn recordings_folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/typedstream");
    if folder.is_dir() {
        return Some(folder);
    }
    // Written directly, because the test runner hides `eprintln!` of a test that passes.
    let _ = writeln!(
        io::stderr(),
        "SKIPPED: no recorded archives at {}",
        folder.display()
    );
    None
}

#[test]
fn archives_of_real_macs_are_decoded() {
    let Some(folder) = recordings_folder() else {
        return;
    };
    let expected = fs::read(folder.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    for (name, expected) in expected.as_object().unwrap() {
        let archive = fs::read(folder.join(name)).unwrap();
        let decoded = decode(&archive);
        if let Some(text) = expected["text"].as_str() {
            let body = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(body.text, text, "{name}");
            let joined: String = body.runs.iter().map(|run| run.text).collect();
            assert_eq!(joined, text, "{name}");
            assert_eq!(decode_text(&archive), Ok(text), "{name}");
        } else {
            let error = decoded.expect_err(name);
            assert_eq!(
                error,
                match name.as_str() {
                    // The recording comes from a database that was copied as text.
                    "crashing.bin" => DecodeError::Recoded,
                    _ => DecodeError::KeyedArchive,
                },
                "{name}"
            );
        }
    }
}

#[test]
fn attributes_in_archives_of_real_macs_are_read() {
    let Some(folder) = recordings_folder() else {
        return;
    };
    let tweet = fs::read(folder.join("tweet.bin")).unwrap();
    let tweet = decode(&tweet).unwrap();
    assert_eq!(tweet.runs.len(), 1);
    assert_eq!(tweet.runs[0].part, Some(0));
    assert_eq!(tweet.runs[0].link, Some(tweet.text));

    let workout = fs::read(folder.join("completed-workout-2.bin")).unwrap();
    let workout = decode(&workout).unwrap();
    assert_eq!(workout.plain_text(), "💥");
    let parts: Vec<_> = workout.runs.iter().map(|run| run.part).collect();
    assert_eq!(parts, [Some(0), None]);
    assert_eq!(workout.runs[0].breadcrumb, None);
    assert_eq!(
        workout.runs[1].breadcrumb,
        Some("$(kIMTranscriptPluginBreadcrumbTextReceiverIdentifier) completed a workout.")
    );
}
