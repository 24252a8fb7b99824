//! Own messages that are received from an alias that was not found yet: in the same chat, in a group
//! that has the alias as a member, or in a direct chat with the alias. No such row is posted as a
//! person's if its original is found. A copy is such a received row; its original is the sent row.

use super::*;

/// A fraction of a second that no other message has by chance.
const UNIQUE_FRACTION: Duration = Duration::from_micros(250_001);

/// A Mac on which no row names the alias.
fn mac_without_alias() -> Mac {
    let mut mac = Mac::new();
    mac.receive(BOB, "to the number");
    mac.run_relay();
    mac.advance(secs(70));
    mac.advance(UNIQUE_FRACTION);
    mac
}

impl Mac {
    fn send_own(&mut self, chat: i64, text: &str) -> i64 {
        let own = NewMessage::outgoing(self.now()).text(text);
        self.write(chat, &own)
    }

    fn receive_copy(&mut self, chat: i64, text: &str) -> i64 {
        let copy = self.incoming_from(ALIAS, text);
        self.write(chat, &copy)
    }

    /// The posts since the first message of [`mac_without_alias`].
    fn new_posts(&self) -> Vec<(String, String)> {
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
        let mut mac = mac_without_alias();
        let (direct, _) = mac.direct_chat(ADA);
        mac.receive_copy(direct, "on my way");
        mac.run_relay();
        assert_eq!(mac.waiting_reasons(), ["no_other_side"]);
        mac.advance(apart);
        mac.send_own(direct, "on my way");
        // A later row of the chat is posted after the copy.
        mac.advance(Duration::from_millis(200));
        mac.receive(ADA, "hurry");
        mac.run_relay();
        let mut expected = vec![post_from("owner", "on my way"); copies];
        expected.push(post_from(ADA, "hurry"));
        assert_eq!(mac.new_posts(), expected, "{apart:?}");
        assert_eq!(mac.waiting_reasons(), [""; 0]);
    }
}

#[test]
fn a_row_of_an_unknown_sender_in_a_direct_chat_is_posted_if_no_original_appears() {
    let mut mac = mac_without_alias();
    let (direct, _) = mac.direct_chat(ADA);
    mac.receive_copy(direct, "hi from my other phone");
    mac.run_relay();
    mac.advance(Duration::from_millis(1_900));
    mac.send_own(direct, "something else");
    mac.run_relay();
    assert_eq!(mac.new_posts(), []);
    mac.advance(Duration::from_millis(100));
    mac.run_relay();
    assert_eq!(
        mac.new_posts(),
        [
            post_from(ALIAS, "hi from my other phone"),
            post_from("owner", "something else")
        ]
    );
}

#[test]
fn an_ordinary_row_does_not_wait_for_an_original() {
    let mut mac = mac_without_alias();
    let (direct, _) = mac.direct_chat(ADA);
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let joined = Chat::direct(ADA).with_guid(format!("SMS;-;{ADA}"));
    let joined = mac.messages.insert_chat(&joined).unwrap();
    let cy = mac
        .messages
        .ensure_handle("cy@example.com", "iMessage")
        .unwrap();
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
        let message = mac.incoming_from(writer, "hi");
        mac.write(chat, &message);
        mac.run_relay();
        assert_eq!(
            mac.new_posts().last(),
            Some(&post_from(writer, "hi")),
            "{writer}"
        );
        mac.advance(secs(1));
    }
    // A row from a known own address does not wait either.
    mac.start(FirstRun::Now, declaring(&[ALIAS]));
    mac.receive_copy(direct, "from the phone");
    mac.run_relay();
    assert_eq!(
        mac.new_posts().last(),
        Some(&post_from("owner", "from the phone"))
    );
}

#[test]
fn a_copy_in_a_chat_with_the_alias_is_recognised_by_its_microsecond() {
    for (chat_kind, own_first) in [("group", true), ("group", false), ("direct", true)] {
        let mut mac = mac_without_alias();
        let (ada, _) = mac.direct_chat(ADA);
        let group = mac
            .messages
            .insert_chat(&Chat::group([ADA, BOB, ALIAS]))
            .unwrap();
        let alias_chat = mac.messages.insert_chat(&Chat::direct(ALIAS)).unwrap();
        let (sent_in, copied_in) = match chat_kind {
            "group" => (group, group),
            _ => (ada, alias_chat),
        };
        if own_first {
            mac.send_own(sent_in, "on my way");
            mac.run_relay();
            mac.receive_copy(copied_in, "on my way");
        } else {
            mac.receive_copy(copied_in, "on my way");
            mac.send_own(sent_in, "on my way");
        }
        mac.run_relay();
        assert_eq!(
            mac.new_posts(),
            [post_from("owner", "on my way")],
            "{chat_kind}, own first: {own_first}"
        );
        // Without an original a row of the alias is posted as another person's.
        mac.advance(secs(70));
        mac.receive_copy(copied_in, "I am a person");
        mac.run_relay();
        assert_eq!(mac.new_posts()[1], post_from(ALIAS, "I am a person"));
    }
}

#[test]
fn a_copy_in_another_chat_read_in_the_same_batch_is_posted_as_the_owners() {
    let mut mac = mac_without_alias();
    let (ada, _) = mac.direct_chat(ADA);
    let alias_chat = mac.messages.insert_chat(&Chat::direct(ALIAS)).unwrap();
    mac.receive_copy(alias_chat, "on my way");
    mac.send_own(ada, "on my way");
    mac.run_relay();
    let posts = mac.new_posts();
    assert!(posts.iter().all(|(who, _)| who == "owner"), "{posts:?}");
}

#[test]
fn without_equal_words_at_an_exact_microsecond_a_row_is_posted_as_its_senders() {
    // The received row has another date, a date in whole seconds, other words, or no words.
    for (own, apart, text, precise) in [
        ("ok", Duration::from_micros(1), "ok", true),
        ("ok", Duration::from_millis(400), "ok", true),
        ("ok", Duration::ZERO, "ok", false),
        ("ok", Duration::ZERO, "okay", true),
        ("\u{fffc}", Duration::ZERO, "\u{fffc}", true),
    ] {
        let mut mac = mac_without_alias();
        if !precise {
            mac.advance(secs(1).saturating_sub(UNIQUE_FRACTION));
        }
        let (bob, _) = mac.direct_chat(BOB);
        let (ada, _) = mac.direct_chat(ADA);
        let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
        mac.send_own(bob, own);
        mac.send_own(group, own);
        mac.advance(apart);
        for chat in [ada, group] {
            let said = mac.incoming_from(ADA, text);
            mac.write(chat, &said);
        }
        // Rows without words wait for their attachments.
        mac.run_relay();
        mac.advance(secs(5));
        mac.run_relay();
        let adas = mac
            .new_posts()
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
