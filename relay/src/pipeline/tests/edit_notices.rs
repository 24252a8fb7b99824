//! The notice `Edited to “…”` that Messages writes for older devices beside an edit.

use messages_stand_in::Edit;

use super::*;

fn guid(mac: &Mac, row: i64) -> String {
    mac.messages.guid_of(row).unwrap()
}

#[test]
fn an_edit_is_posted_once_whichever_row_comes_first() {
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
            mac.look();
            let message = mac.says(ADA, "at sven");
            mac.look();
            mac.pass(secs(20));
            let notice = "AAAAAAAA-0000-4000-8000-000000000001".to_owned();
            let edit = Edit::new("at seven").with_notice(&*notice);
            let edit = if undated { edit.undated() } else { edit };
            let (chat, ada) = mac.peer(ADA);
            let now = mac.now();
            let row = NewMessage::incoming(ada, now).text(words).guid(&*notice);
            if notice_first {
                mac.messages.deliver(chat, &row).unwrap();
                mac.look();
                assert_eq!(mac.waiting(), ["no_edit"], "{words}");
                mac.pass(Duration::from_millis(1_500));
                mac.messages.rewrite(message, &edit, now).unwrap();
            } else {
                mac.messages.rewrite(message, &edit, now).unwrap();
                mac.look();
                mac.messages.deliver(chat, &row).unwrap();
            }
            mac.look();
            mac.pass(secs(3));
            mac.look();
            assert_eq!(
                mac.events(),
                [(Event::Message, 0), (Event::Edit, 2)],
                "{words}"
            );
            assert_eq!(mac.texts(), ["at sven", "at seven"], "{words}");
            assert!(mac.waiting().is_empty());
        }
    }
}

#[test]
fn a_notice_is_recognised_by_the_edit_history_and_not_by_its_words() {
    let words = [
        "at seven",
        "Edited to “5” of snow “ok””",
        "In „at seven“ geändert",
        "https://example.com/seven",
        "Liked “at sven”",
        "she said “at seven” to me",
    ];
    for service in ["iMessage", "RCS", "SMS"] {
        for words in words {
            let mut mac = Mac::before_first_run(Style::Tahoe);
            mac.look();
            let (chat, ada) = mac.peer(ADA);
            let now = mac.now();
            let row = NewMessage::incoming(ada, now).text("at sven").on(service);
            let message = mac.messages.deliver(chat, &row).unwrap();
            mac.look();
            for before in 0..30 {
                mac.says(ADA, &format!("number {before}"));
            }
            mac.look();
            let notice = "AAAAAAAA-0000-4000-8000-000000000001";
            let now = mac.now();
            let edit = Edit::new("at seven").with_notice(notice);
            mac.messages.rewrite(message, &edit, now).unwrap();
            let row = NewMessage::incoming(ada, now)
                .text(words)
                .guid(notice)
                .on(service);
            mac.messages.deliver(chat, &row).unwrap();
            mac.look();
            // The same words once more, in a row that no edit names, are a message.
            let row = NewMessage::incoming(ada, now).text(words).on(service);
            mac.messages.deliver(chat, &row).unwrap();
            mac.look();
            mac.pass(secs(5));
            mac.look();
            let posts = mac.posted();
            let edits = posts.iter().filter(|m| m.event == Event::Edit).count();
            let after = posts.iter().skip_while(|m| m.event != Event::Edit).count();
            assert_eq!((edits, after), (1, 2), "{service} {words}");
            assert!(mac.waiting().is_empty());
        }
    }
}

#[test]
fn rows_that_are_read_together_are_each_recognised() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.look();
    let mut messages = Vec::new();
    for person in [ADA, BOB, ADA, BOB] {
        messages.push((person, mac.says(person, "at sven")));
    }
    for (i, (person, message)) in messages.into_iter().enumerate() {
        let notice = mac.says(person, &format!("→ {i}"));
        mac.says(person, &format!("and {i}"));
        let edit = Edit::new("at seven").with_notice(guid(&mac, notice));
        let now = mac.now();
        mac.messages.rewrite(message, &edit, now).unwrap();
    }
    mac.look();
    let mut texts = mac.texts();
    texts.sort_unstable();
    let seven = ["at seven"; 4];
    let mut expected = vec!["and 0", "and 1", "and 2", "and 3"];
    expected.extend(seven);
    expected.sort_unstable();
    assert_eq!(texts, expected);
}

#[test]
fn each_of_several_edits_has_its_own_notice() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.look();
    let message = mac.says(ADA, "one");
    mac.look();
    for text in ["two", "three", "four"] {
        mac.pass(secs(30));
        let notice = mac.says(ADA, &format!("Edited to “{text}”"));
        let edit = Edit::new(text).with_notice(guid(&mac, notice));
        let now = mac.now();
        mac.messages.rewrite(message, &edit, now).unwrap();
        mac.look();
    }
    assert_eq!(mac.texts(), ["one", "two", "three", "four"]);
}

#[test]
fn a_message_that_was_edited_before_it_was_read_is_one_message() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.look();
    let message = mac.says(ADA, "at sven");
    mac.pass(secs(5));
    let notice = mac.says(ADA, "Edited to “at seven”");
    let edit = Edit::new("at seven").with_notice(guid(&mac, notice));
    let now = mac.now();
    mac.messages.rewrite(message, &edit, now).unwrap();
    mac.look();
    assert_eq!(mac.texts(), ["at seven"]);
    // Later changes of the notice are not posted.
    let later = mac.now();
    mac.messages.edit(notice, "something else", later).unwrap();
    mac.look();
    mac.messages.delete_message(notice).unwrap();
    mac.look();
    assert_eq!(mac.texts(), ["at seven"]);
}

#[test]
fn a_row_that_no_edit_names_is_a_message_after_two_seconds() {
    let mut mac = Mac::new();
    mac.says(ADA, "at sven");
    mac.look();
    mac.pass(secs(1));
    mac.says(ADA, "Edited to “at seven”");
    mac.says(ADA, "and so on");
    mac.look();
    assert_eq!(mac.texts(), ["at sven"], "the chat keeps its order");
    mac.pass(secs(2));
    mac.look();
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
        mac.says(sender, text);
        mac.look();
    }
    assert_eq!(mac.texts(), expected.map(|(_, text)| text));
    assert!(mac.waiting().is_empty());
}

#[test]
fn an_edit_notice_over_sms_is_posted_as_a_message() {
    for service in ["SMS", "RCS"] {
        let mut mac = Mac::new();
        let (chat, ada) = mac.peer(ADA);
        let texts = ["at sven", "at seven", "Edited to “at seven”"];
        for text in texts {
            let now = mac.now();
            let row = NewMessage::incoming(ada, now).text(text).on(service);
            mac.messages.deliver(chat, &row).unwrap();
            mac.look();
            mac.pass(secs(5));
        }
        assert_eq!(mac.texts(), texts, "{service}");
        assert!(mac.posted().iter().all(|m| m.event == Event::Message));
    }
}

#[test]
fn a_notice_that_is_deleted_while_it_waits_is_forgotten() {
    let mut mac = Mac::new();
    mac.says(ADA, "at sven");
    let notice = mac.says(ADA, "Edited to “at seven”");
    mac.look();
    mac.messages.delete_message(notice).unwrap();
    mac.look();
    mac.pass(secs(3));
    mac.look();
    assert_eq!(mac.texts(), ["at sven"]);
}
