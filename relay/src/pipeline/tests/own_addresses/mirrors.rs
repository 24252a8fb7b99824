//! Own messages that are received from an alias that was not found yet: in the same chat, in a group
//! that has the alias as a member, or in a direct chat with the alias. No such row is posted as a
//! person's.

use super::*;

/// A microsecond that no other message has by chance.
const PRECISE: Duration = Duration::from_micros(250_001);

/// A Mac on which no row names the alias.
fn mac() -> Mac {
    let mut mac = Mac::new();
    mac.receive(BOB, "to the number");
    mac.run_relay();
    mac.advance(secs(70));
    mac.advance(PRECISE);
    mac
}

impl Mac {
    fn sent(&mut self, chat: i64, text: &str) -> i64 {
        let own = NewMessage::outgoing(self.now()).text(text);
        self.write(chat, &own)
    }

    fn mirrored(&mut self, chat: i64, text: &str) -> i64 {
        let mirror = self.received(chat, ALIAS, text);
        self.write(chat, &mirror)
    }

    /// The posts since the first message of [`mac`].
    fn posts_now(&self) -> Vec<(String, String)> {
        posts(self).split_off(1)
    }
}

#[test]
fn a_copy_read_before_its_original_waits_for_the_original() {
    for (apart, copies) in [
        (Duration::ZERO, 1),
        // Another device rounded the date: there are two rows, and both are the owner's.
        (Duration::from_millis(300), 2),
    ] {
        let mut mac = mac();
        let (direct, _) = mac.direct_chat(ADA);
        mac.mirrored(direct, "on my way");
        mac.run_relay();
        assert_eq!(mac.waiting_reasons(), ["no_other_side"]);
        mac.advance(apart);
        mac.sent(direct, "on my way");
        // Later rows of the chat stay behind this one.
        mac.advance(Duration::from_millis(200));
        mac.receive(ADA, "hurry");
        mac.run_relay();
        let mut expected = vec![from("owner", "on my way"); copies];
        expected.push(from(ADA, "hurry"));
        assert_eq!(mac.posts_now(), expected, "{apart:?}");
        assert_eq!(mac.waiting_reasons(), [""; 0]);
    }
}

#[test]
fn a_row_of_an_unknown_sender_in_a_direct_chat_is_posted_if_no_original_appears() {
    let mut mac = mac();
    let (direct, _) = mac.direct_chat(ADA);
    mac.mirrored(direct, "hi from my other phone");
    mac.run_relay();
    mac.advance(Duration::from_millis(1_900));
    mac.sent(direct, "something else");
    mac.run_relay();
    assert_eq!(mac.posts_now(), []);
    mac.advance(Duration::from_millis(100));
    mac.run_relay();
    assert_eq!(
        mac.posts_now(),
        [
            from(ALIAS, "hi from my other phone"),
            from("owner", "something else")
        ]
    );
}

#[test]
fn an_ordinary_row_does_not_wait_for_an_original() {
    let mut mac = mac();
    let (direct, _) = mac.direct_chat(ADA);
    let group = mac.messages.chat(&Chat::group([ADA, BOB])).unwrap();
    let joined = Chat::direct(ADA).with_guid(format!("SMS;-;{ADA}"));
    let joined = mac.messages.chat(&joined).unwrap();
    let cy = mac.messages.handle("cy@example.com", "iMessage").unwrap();
    mac.messages
        .raw()
        .execute(
            "insert into chat_handle_join (chat_id, handle_id) values (?1, ?2)",
            [joined, cy],
        )
        .unwrap();
    for (chat, writer) in [
        (direct, ADA),
        (group, ADA),
        // A member that is missing from the chat's participants.
        (group, "+15550100003"),
        // A second address of the peer, which is among the chat's participants.
        (joined, "cy@example.com"),
    ] {
        let message = mac.received(chat, writer, "hi");
        mac.write(chat, &message);
        mac.run_relay();
        assert_eq!(
            mac.posts_now().last(),
            Some(&from(writer, "hi")),
            "{writer}"
        );
        mac.advance(secs(1));
    }
    // A row from a known own address does not wait either.
    mac.start(FirstRun::Now, declaring(&[ALIAS]));
    mac.mirrored(direct, "from the phone");
    mac.run_relay();
    assert_eq!(
        mac.posts_now().last(),
        Some(&from("owner", "from the phone"))
    );
}

#[test]
fn a_copy_in_a_chat_with_the_alias_is_recognised_by_its_microsecond() {
    for (style, own_first) in [("group", true), ("group", false), ("direct", true)] {
        let mut mac = mac();
        let (ada, _) = mac.direct_chat(ADA);
        let group = mac.messages.chat(&Chat::group([ADA, BOB, ALIAS])).unwrap();
        let named_by_it = mac.messages.chat(&Chat::direct(ALIAS)).unwrap();
        let (sent_in, mirrored_in) = match style {
            "group" => (group, group),
            _ => (ada, named_by_it),
        };
        if own_first {
            mac.sent(sent_in, "on my way");
            mac.run_relay();
            mac.mirrored(mirrored_in, "on my way");
        } else {
            mac.mirrored(mirrored_in, "on my way");
            mac.sent(sent_in, "on my way");
        }
        mac.run_relay();
        assert_eq!(
            mac.posts_now(),
            [from("owner", "on my way")],
            "{style}, own first: {own_first}"
        );
        // Later messages in the chat are the owner's, too.
        mac.advance(secs(70));
        mac.mirrored(mirrored_in, "I am a person");
        mac.run_relay();
        assert_eq!(mac.posts_now()[1], from(ALIAS, "I am a person"));
    }
}

#[test]
fn a_copy_in_another_chat_read_in_the_same_batch_is_posted_as_the_owners() {
    let mut mac = mac();
    let (ada, _) = mac.direct_chat(ADA);
    let named_by_it = mac.messages.chat(&Chat::direct(ALIAS)).unwrap();
    mac.mirrored(named_by_it, "on my way");
    mac.sent(ada, "on my way");
    mac.run_relay();
    let posts = mac.posts_now();
    assert!(posts.iter().all(|(who, _)| who == "owner"), "{posts:?}");
}

#[test]
fn an_equal_text_of_a_person_is_posted_as_that_persons() {
    // The copy has another date, a date in whole seconds, other words, or no words.
    for (own, apart, text, precise) in [
        ("ok", Duration::from_micros(1), "ok", true),
        ("ok", Duration::from_millis(400), "ok", true),
        ("ok", Duration::ZERO, "ok", false),
        ("ok", Duration::ZERO, "okay", true),
        ("\u{fffc}", Duration::ZERO, "\u{fffc}", true),
    ] {
        let mut mac = mac();
        if !precise {
            mac.advance(secs(1).saturating_sub(PRECISE));
        }
        let (bob, _) = mac.direct_chat(BOB);
        let (ada, _) = mac.direct_chat(ADA);
        let group = mac.messages.chat(&Chat::group([ADA, BOB])).unwrap();
        mac.sent(bob, own);
        mac.sent(group, own);
        mac.advance(apart);
        for chat in [ada, group] {
            let said = mac.received(chat, ADA, text);
            mac.write(chat, &said);
        }
        // Rows without words wait for their attachments.
        mac.run_relay();
        mac.advance(secs(5));
        mac.run_relay();
        let adas = mac
            .posts_now()
            .into_iter()
            .filter(|(who, _)| who == ADA)
            .count();
        assert_eq!(
            adas,
            2,
            "{own} {apart:?} {text} {precise}: {:?}",
            posts(&mac)
        );
    }
}
