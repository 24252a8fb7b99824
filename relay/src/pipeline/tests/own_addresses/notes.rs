//! Notes to self, with any own addresses in the own-address columns. They are never posted as another person's.

use super::*;

/// Chats with only the owner in them: the address of the chat, and the account and the destination of its rows.
const NOTES: [(&str, Option<&str>, Option<&str>); 8] = [
    (OWN, Some("E:sam@example.com"), Some(OWN)),
    (OWN, Some("E:sam@example.com"), Some("tel:+15550009999")),
    (OWN, Some("E:sam@example.com"), Some("sam@example.com")),
    (OWN, Some("E:sam@example.com"), None),
    (OWN, None, Some(OWN)),
    (ALIAS, Some("P:+15550009999"), Some(ALIAS)),
    (
        "Sam@Example.com",
        Some("E:sam@example.com"),
        Some("E:sam@example.com"),
    ),
    ("SAM@EXAMPLE.COM", Some("E:sam@example.com"), None),
];

/// The sent and the received row of a note, as a Mac writes both.
fn write_note(
    mac: &mut Mac,
    (peer, account, destination): (&str, Option<&str>, Option<&str>),
) -> [i64; 2] {
    let chat = mac.messages.insert_chat(&Chat::direct(peer)).unwrap();
    mac.messages
        .set_chat_column(chat, "account_login", account.unwrap_or_default())
        .unwrap();
    mac.sql("update chat set last_addressed_handle = null");
    let columns = |message: NewMessage| {
        let value = |text: Option<&str>| {
            text.map_or(rusqlite::types::Value::Null, |text| text.to_owned().into())
        };
        message
            .set("account", value(account))
            .set("destination_caller_id", value(destination))
    };
    let now = mac.now();
    let sent = columns(NewMessage::outgoing(now).text("milk"));
    let copy = columns(mac.incoming_from(peer, "milk"));
    [mac.write(chat, &sent), mac.write(chat, &copy)]
}

#[test]
fn a_note_to_self_is_recognised_with_every_combination_of_own_addresses() {
    for case in NOTES {
        let mut mac = Mac::new();
        mac.receive(BOB, "to the number");
        mac.prove_alias();
        let rows = write_note(&mut mac, case);
        mac.run_relay();
        for row in rows {
            assert_eq!(mac.outcome(row), Some(RowOutcome::NoteToSelf), "{case:?}");
        }
        assert_eq!(mac.texts(), ["to the number", "to the alias"], "{case:?}");
    }
}

#[test]
fn a_note_to_self_on_a_mac_without_other_messages_is_not_posted_as_a_persons() {
    for case in NOTES {
        // If neither destination nor account has the number, no column on this Mac proves it.
        let (peer, _, destination) = case;
        if peer == OWN && destination.is_none_or(|destination| !destination.ends_with(OWN)) {
            continue;
        }
        let mut mac = Mac::new();
        write_note(&mut mac, case);
        mac.run_relay();
        // With only an e-mail account and no destination one column names the address, so the row is
        // posted as the owner's.
        let of_others = mac
            .posted()
            .into_iter()
            .filter(|message| !message.from_owner);
        assert_eq!(of_others.count(), 0, "{case:?}: {:?}", posts(&mac));
        if destination.is_some() {
            assert_eq!(mac.posted(), [], "{case:?}");
        }
    }
}

/// Account and destination are the e-mail address. The chat is named by the own number, which no row proves.
#[test]
fn a_note_to_an_own_number_absent_from_all_rows_is_not_posted_as_a_persons() {
    let mut mac = Mac::new();
    mac.sql("update chat set last_addressed_handle = null");
    mac.advance(Duration::from_micros(250_001));
    write_note(
        &mut mac,
        (OWN, Some("E:sam@example.com"), Some("sam@example.com")),
    );
    mac.run_relay();
    mac.run_relay();
    let posted = posts(&mac);
    assert!(posted.iter().all(|(who, _)| who == "owner"), "{posted:?}");
    // The same words a moment later come from a person.
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(BOB);
    mac.advance(Duration::from_micros(250_001));
    let own = NewMessage::outgoing(mac.now()).text("ok");
    mac.write(chat, &own);
    mac.advance(Duration::from_millis(400));
    mac.receive(BOB, "ok");
    mac.run_relay();
    assert_eq!(
        posts(&mac),
        [post_from("owner", "ok"), post_from(BOB, "ok")]
    );
}

#[test]
fn a_copy_without_its_original_is_a_note_to_self_if_its_row_proves_so() {
    for (case, skipped) in NOTES
        .into_iter()
        .zip([true, true, false, false, true, true, true, true])
    {
        let mut mac = Mac::new();
        mac.receive(BOB, "to the number");
        mac.prove_alias();
        let [sent, copy] = write_note(&mut mac, case);
        mac.messages.delete_message(sent).unwrap();
        mac.run_relay();
        // Otherwise the found address may be a person's by now. So the row is posted, as the owner's.
        let posts = posts(&mac).split_off(2);
        let expected = if skipped {
            Vec::new()
        } else {
            vec![post_from("owner", "milk")]
        };
        assert_eq!(posts, expected, "{case:?}");
        assert_eq!(
            mac.outcome(copy) == Some(RowOutcome::NoteToSelf),
            skipped,
            "{case:?}"
        );
    }
}

#[test]
fn notes_to_self_are_posted_as_the_owners_if_configured() {
    for case in NOTES {
        let mut mac = Mac::new();
        let options = Options {
            relay_note_to_self: true,
            ..declaring(&[OWN, ALIAS])
        };
        mac.start(FirstRun::Now, options);
        write_note(&mut mac, case);
        mac.run_relay();
        assert_eq!(posts(&mac), [post_from("owner", "milk")], "{case:?}");
        assert_eq!(mac.posted()[0].line.as_deref(), Some(OWN), "{case:?}");
        assert_eq!(mac.posted()[0].sender, OWN, "{case:?}");
    }
}

#[test]
fn a_group_of_only_own_addresses_is_a_note_to_self() {
    let mut mac = Mac::new();
    mac.start(FirstRun::Now, declaring(&[OWN, ALIAS]));
    let alone = mac
        .messages
        .insert_chat(&Chat::group([OWN, ALIAS]))
        .unwrap();
    let with_ada = mac
        .messages
        .insert_chat(&Chat::group([OWN, ALIAS, ADA]))
        .unwrap();
    for chat in [alone, with_ada] {
        let now = mac.now();
        mac.write(chat, &NewMessage::outgoing(now).text("milk"));
        mac.advance(secs(1));
        let copy = mac.incoming_from(ALIAS, "bread");
        mac.write(chat, &copy);
    }
    mac.run_relay();
    assert_eq!(
        posts(&mac),
        [post_from("owner", "milk"), post_from("owner", "bread")]
    );
}
