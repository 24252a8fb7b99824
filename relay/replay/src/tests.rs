//! Replays of the stand-in's scripts without a backend, and the command line.

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
    assert!(scripts.len() > 40, "more than forty scripts");
    scripts
}

fn play(script: &Script, salt: &str) -> Rehearsal {
    let options = Options::default();
    rehearsal::play(script.clone(), &RelayName::default(), options, salt, NOW).expect("played")
}

fn script_named(name: &str) -> Script {
    let (_, script) = scripts()
        .into_iter()
        .find(|(script_name, _)| script_name == name)
        .expect("a script of this name");
    script
}

#[test]
fn help_matches_the_snapshot() {
    let mut command = Cli::command().term_width(100);
    command.build();
    insta::assert_snapshot!("help", command.render_long_help());
}

#[test]
fn the_command_line_definition_is_valid() {
    Cli::command().debug_assert();
}

#[test]
fn every_script_is_replayed_as_valid_rehearsals_with_fictional_addresses_only() {
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
fn the_newest_message_is_dated_now_and_another_salt_gives_other_guids() {
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
fn each_of_several_edits_is_posted() {
    let rehearsal = play(&script_named("edits"), "a");
    let edits = rehearsal.messages.iter().filter(|m| m.event == Event::Edit);
    assert!(edits.count() >= 3);
}

#[test]
fn old_messages_from_icloud_are_posted_only_as_backfill() {
    let rehearsal = play(&script_named("icloud-backfill"), "a");
    let hour_ago = NOW.as_micros() - 3_600_000_000;
    let old_as_new = rehearsal
        .messages
        .iter()
        .filter(|m| m.timestamp.as_micros() < hour_ago && !m.is_backfill);
    assert_eq!(old_as_new.count(), 0);
}

#[test]
fn the_refusal_names_another_host_and_masked_addresses_together() {
    let backend = BackendConfig {
        backend_url: BackendUrl::parse("https://backend.example.com").expect("an address"),
        auth: Auth::Hmac,
        secret: shared_protocol::RelaySecret::parse("a-secret-of-more-than-twenty-four-bytes")
            .expect("a secret"),
        expect_env: None,
    };
    let list = Some(Masked("+19990000200").to_string());
    let error = require_harmless(&backend, list)
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("https://backend.example.com is not this machine"),
        "{error}"
    );
    assert!(error.contains("…0200") && !error.contains("999"), "{error}");
    assert!(require_harmless(&backend, None).is_err());
}

#[test]
fn a_rate_is_a_number_above_zero() {
    assert_eq!(parse_rate("0.5"), Ok(0.5));
    for bad in ["0", "-1", "inf", "NaN", "ten", ""] {
        assert!(parse_rate(bad).is_err(), "{bad}");
    }
}
