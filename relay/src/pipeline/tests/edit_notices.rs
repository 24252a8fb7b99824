//! The notice `Edited to “…”` that Messages writes for older devices beside an edit.

use messages_stand_in::Edit;

use super::*;

fn guid_of(mac: &Mac, row: i64) -> String {
    mac.messages.guid_of(row).unwrap()
}

#[test]
fn an_edit_with_a_notice_is_posted_once_whichever_row_comes_first() {
    for (notice_first, undated) in [(true, false), (true, true), (false, false), (false, true)] {
        for words in [
            "Edited to “at seven”",
            "Bearbeitet: „at seven“",
            "Modifié en « at seven »",
            "「at seven」に編集しました",
            "Изменено на «at seven»",
            "In „at seven“ geändert",
            "Le message a été remplacé par « at seven »",
            "El mensaje se ha editado a “at seven”",
            "This message was edited to “at seven”",
            "Edited to \"at seven\"",
        ] {
            let mut mac = Mac::before_first_run(Style::Tahoe);
            mac.run_relay();
            let message = mac.receive(ADA, "at sven");
            mac.run_relay();
            mac.advance(secs(20));
            let notice = "AAAAAAAA-0000-4000-8000-000000000001".to_owned();
            let edit = Edit::new("at seven").with_notice(&*notice);
            let edit = if undated { edit.undated() } else { edit };
            let (chat, ada) = mac.direct_chat(ADA);
            let now = mac.now();
            let row = NewMessage::incoming(ada, now).text(words).guid(&*notice);
            if notice_first {
                mac.messages.deliver(chat, &row).unwrap();
                mac.run_relay();
                assert_eq!(mac.waiting_reasons(), ["no_edit"], "{words}");
                mac.advance(Duration::from_millis(1_500));
                mac.messages.rewrite(message, &edit, now).unwrap();
            } else {
                mac.messages.rewrite(message, &edit, now).unwrap();
                mac.run_relay();
                mac.messages.deliver(chat, &row).unwrap();
            }
            mac.run_relay();
            mac.advance(secs(3));
            mac.run_relay();
            assert_eq!(
                mac.events(),
                [(Event::Message, 0), (Event::Edit, 2)],
                "{words}"
            );
            assert_eq!(mac.texts(), ["at sven", "at seven"], "{words}");
            assert!(mac.waiting_reasons().is_empty());
        }
    }
}

#[test]
fn a_notice_is_recognised_by_the_edit_history_and_not_by_its_words() {
    let texts = [
        "at seven",
        "Edited to “5” of snow “ok””",
        "In „at seven“ geändert",
        "https://example.com/seven",
        "Liked “at sven”",
        "she said “at seven” to me",
    ];
    for service in ["iMessage", "RCS", "SMS"] {
        for words in texts {
            let mut mac = Mac::before_first_run(Style::Tahoe);
            mac.run_relay();
            let (chat, ada) = mac.direct_chat(ADA);
            let now = mac.now();
            let row = NewMessage::incoming(ada, now).text("at sven").on(service);
            let message = mac.messages.deliver(chat, &row).unwrap();
            mac.run_relay();
            for n in 0..30 {
                mac.receive(ADA, &format!("number {n}"));
            }
            mac.run_relay();
            let notice = "AAAAAAAA-0000-4000-8000-000000000001";
            let now = mac.now();
            let edit = Edit::new("at seven").with_notice(notice);
            mac.messages.rewrite(message, &edit, now).unwrap();
            let row = NewMessage::incoming(ada, now)
                .text(words)
                .guid(notice)
                .on(service);
            mac.messages.deliver(chat, &row).unwrap();
            mac.run_relay();
            // The same words once more, in a row that no edit names, are a message.
            let row = NewMessage::incoming(ada, now).text(words).on(service);
            mac.messages.deliver(chat, &row).unwrap();
            mac.run_relay();
            mac.advance(secs(5));
            mac.run_relay();
            let posts = mac.posted();
            let edits = posts.iter().filter(|m| m.event == Event::Edit).count();
            let after = posts.iter().skip_while(|m| m.event != Event::Edit).count();
            assert_eq!((edits, after), (1, 2), "{service} {words}");
            assert!(mac.waiting_reasons().is_empty());
        }
    }
}

#[test]
fn notices_and_texts_that_are_read_together_are_told_apart() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let mut messages = Vec::new();
    for person in [ADA, BOB, ADA, BOB] {
        messages.push((person, mac.receive(person, "at sven")));
    }
    for (i, (person, message)) in messages.into_iter().enumerate() {
        let notice = mac.receive(person, &format!("→ {i}"));
        mac.receive(person, &format!("and {i}"));
        let edit = Edit::new("at seven").with_notice(guid_of(&mac, notice));
        let now = mac.now();
        mac.messages.rewrite(message, &edit, now).unwrap();
    }
    mac.run_relay();
    let mut texts = mac.texts();
    texts.sort_unstable();
    let seven = ["at seven"; 4];
    let mut expected = vec!["and 0", "and 1", "and 2", "and 3"];
    expected.extend(seven);
    expected.sort_unstable();
    assert_eq!(texts, expected);
}

#[test]
fn the_notice_of_each_of_several_edits_is_not_posted() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let message = mac.receive(ADA, "one");
    mac.run_relay();
    for text in ["two", "three", "four"] {
        mac.advance(secs(30));
        let notice = mac.receive(ADA, &format!("Edited to “{text}”"));
        let edit = Edit::new(text).with_notice(guid_of(&mac, notice));
        let now = mac.now();
        mac.messages.rewrite(message, &edit, now).unwrap();
        mac.run_relay();
    }
    assert_eq!(mac.texts(), ["one", "two", "three", "four"]);
}

#[test]
fn the_notice_of_an_edit_made_before_the_first_read_is_never_posted() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let message = mac.receive(ADA, "at sven");
    mac.advance(secs(5));
    let notice = mac.receive(ADA, "Edited to “at seven”");
    let edit = Edit::new("at seven").with_notice(guid_of(&mac, notice));
    let now = mac.now();
    mac.messages.rewrite(message, &edit, now).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["at seven"]);
    // Later changes of the notice are not posted.
    let later = mac.now();
    mac.messages.edit(notice, "something else", later).unwrap();
    mac.run_relay();
    mac.messages.delete_message(notice).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["at seven"]);
}

#[test]
fn a_possible_notice_that_no_edit_names_is_posted_after_two_seconds() {
    let mut mac = Mac::new();
    mac.receive(ADA, "at sven");
    mac.run_relay();
    mac.advance(secs(1));
    mac.receive(ADA, "Edited to “at seven”");
    mac.receive(ADA, "and so on");
    mac.run_relay();
    assert_eq!(mac.texts(), ["at sven"], "the chat keeps its order");
    mac.advance(secs(2));
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        ["at sven", "Edited to “at seven”", "and so on"]
    );
}

#[test]
fn a_row_that_cannot_be_a_notice_is_posted_at_once() {
    let mut mac = Mac::new();
    let expected = [
        // The sender has no message that could be edited.
        (ADA, "Edited to “at seven”"),
        // The words are a person's.
        (ADA, "she said “at seven”"),
        (ADA, "“at seven”"),
        (ADA, "my word is “at seven” and nothing else"),
        // The edited message is another person's.
        (BOB, "Edited to “at seven”"),
    ];
    for (sender, text) in expected {
        mac.receive(sender, text);
        mac.run_relay();
    }
    assert_eq!(mac.texts(), expected.map(|(_, text)| text));
    assert!(mac.waiting_reasons().is_empty());
}

#[test]
fn an_edit_notice_over_sms_or_rcs_is_posted_as_a_message() {
    for service in ["SMS", "RCS"] {
        let mut mac = Mac::new();
        let (chat, ada) = mac.direct_chat(ADA);
        let texts = ["at sven", "at seven", "Edited to “at seven”"];
        for text in texts {
            let now = mac.now();
            let row = NewMessage::incoming(ada, now).text(text).on(service);
            mac.messages.deliver(chat, &row).unwrap();
            mac.run_relay();
            mac.advance(secs(5));
        }
        assert_eq!(mac.texts(), texts, "{service}");
        assert!(mac.posted().iter().all(|m| m.event == Event::Message));
    }
}

#[test]
fn a_notice_that_is_deleted_while_it_waits_is_never_posted() {
    let mut mac = Mac::new();
    mac.receive(ADA, "at sven");
    let notice = mac.receive(ADA, "Edited to “at seven”");
    mac.run_relay();
    mac.messages.delete_message(notice).unwrap();
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(mac.texts(), ["at sven"]);
}
