//! Every script of the stand-in can be replayed, and every address in it is fictional.

use archety_relay::clock::UnixMicros;
use archety_relay::config::{Auth, BackendUrl};
use clap::CommandFactory;
use shared_protocol::{Event, RelayName, ReplyVia};

use super::*;

const NOW: UnixMicros = UnixMicros::from_micros(1_790_000_000_123_457);

fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../messages-stand-in/scripts");
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the scripts") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "jsonl") {
            let name = path.file_stem().expect("a name").to_string_lossy();
            scripts.push((name.into_owned(), read(&path).expect("a script")));
        }
    }
    assert!(scripts.len() > 40, "the scripts are there");
    scripts
}

fn play(script: &Script, salt: &str) -> Rehearsal {
    let options = Options::default();
    stage::play(script.clone(), &RelayName::default(), options, salt, NOW).expect("played")
}

fn script_named(name: &str) -> Script {
    let (_, script) = scripts()
        .into_iter()
        .find(|(n, _)| n == name)
        .expect("there");
    script
}

#[test]
fn help_matches_the_snapshot() {
    let mut command = Cli::command().term_width(100);
    command.build();
    insta::assert_snapshot!("help", command.render_long_help());
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_script_can_be_replayed_and_has_fictional_addresses_only() {
    for (name, script) in scripts() {
        eprintln!("{name}");
        let rehearsal = play(&script, "a");
        let addresses = script.addresses().into_iter();
        for address in addresses.chain(rehearsal.messages.iter().flat_map(addresses_in)) {
            assert!(is_fictional(address), "{name}: {address}");
        }
        for message in &rehearsal.messages {
            assert_eq!(message.reply_via, Some(ReplyVia::Inline), "{name}");
            assert!(message.rehearsal, "{name}");
            assert_eq!(message.violations(), [], "{name}");
        }
    }
}

#[test]
fn a_rehearsal_ends_now_and_has_other_guids_each_time() {
    let script = script_named("conversation");
    let guids = |rehearsal: &Rehearsal| -> BTreeSet<Option<String>> {
        let guids = rehearsal.messages.iter().map(|m| m.message_guid.clone());
        guids.collect()
    };
    let (first, second) = (play(&script, "a"), play(&script, "b"));
    assert!(first.messages.len() > 3);
    assert_eq!(first.messages.len(), second.messages.len());
    assert!(guids(&first).is_disjoint(&guids(&second)));
    let newest = first.messages.iter().map(|m| m.timestamp.as_micros()).max();
    let age = NOW.as_micros() - newest.expect("messages");
    assert!((0..60_000_000).contains(&age), "{age}");
}

#[test]
fn edits_are_posted_one_by_one() {
    let rehearsal = play(&script_named("edits"), "a");
    let edits = rehearsal.messages.iter().filter(|m| m.event == Event::Edit);
    assert!(edits.count() >= 3);
}

#[test]
fn old_messages_from_icloud_are_not_posted_as_new() {
    let rehearsal = play(&script_named("icloud-backfill"), "a");
    let hour_ago = NOW.as_micros() - 3_600_000_000;
    let old_as_new = rehearsal
        .messages
        .iter()
        .filter(|m| m.timestamp.as_micros() < hour_ago && !m.is_backfill);
    assert_eq!(old_as_new.count(), 0);
}

#[test]
fn a_target_elsewhere_and_people_are_refused_together_and_masked() {
    let backend = BackendConfig {
        backend_url: BackendUrl::parse("https://backend.example.com").expect("an address"),
        auth: Auth::Hmac,
        secret: shared_protocol::RelaySecret::parse("a-secret-of-more-than-twenty-four-bytes")
            .expect("a secret"),
        expect_env: None,
    };
    let list = Some(Masked("+19990000200").to_string());
    let error = refuse(&backend, list).expect_err("refused").to_string();
    assert!(
        error.contains("https://backend.example.com is not this machine"),
        "{error}"
    );
    assert!(error.contains("…0200") && !error.contains("999"), "{error}");
    assert!(refuse(&backend, None).is_err());
}

#[test]
fn rates_are_above_zero() {
    assert_eq!(rate("0.5"), Ok(0.5));
    for bad in ["0", "-1", "inf", "NaN", "ten", ""] {
        assert!(rate(bad).is_err(), "{bad}");
    }
}
