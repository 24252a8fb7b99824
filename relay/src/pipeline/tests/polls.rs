//! Polls, their captions, added choices, and the votes in them.

use messages_stand_in::{Payload, Poll, PollOption, PollVote};

use super::*;

const QUESTION: &str = "Where to eat?";

struct Group {
    mac: Mac,
    chat: i64,
    ada: i64,
    bob: i64,
}

impl Group {
    fn new() -> Self {
        let mut mac = Mac::before_first_run(Style::Tahoe);
        mac.run_relay();
        let chat = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
        let ada = mac.messages.ensure_handle(ADA, "iMessage").unwrap();
        let bob = mac.messages.ensure_handle(BOB, "iMessage").unwrap();
        Self {
            mac,
            chat,
            ada,
            bob,
        }
    }

    fn deliver(&mut self, message: &NewMessage) -> String {
        let row = self.mac.messages.deliver(self.chat, message).unwrap();
        self.mac.messages.guid_of(row).unwrap()
    }

    fn message_from(&self, handle: i64) -> NewMessage {
        NewMessage::incoming(handle, self.mac.now())
    }

    /// Ada sends a poll; returns its guid.
    fn send_poll(&mut self, title: &str) -> String {
        let message = self
            .message_from(self.ada)
            .poll(&poll(title, &["Pizza", "Sushi"]));
        self.deliver(&message)
    }

    fn send_vote(&mut self, on: &str, options: &[&str]) {
        let message = self.message_from(self.bob).vote(on, &votes(options));
        self.deliver(&message);
    }

    /// Event, text and target of every post.
    fn posts(&mut self) -> Vec<(Event, String, Option<String>)> {
        self.mac.run_relay();
        let posted = self.mac.posted().into_iter();
        posted.map(|m| (m.event, m.text, m.reply_to_guid)).collect()
    }

    fn texts(&mut self) -> Vec<String> {
        self.posts().into_iter().map(|(_, text, _)| text).collect()
    }
}

fn poll(title: &str, options: &[&str]) -> Poll {
    Poll::new(title, ADA, options.iter().copied())
}

fn votes(options: &[&str]) -> Vec<PollVote> {
    let vote = |option: &&str| PollVote {
        option: PollOption::id_of(option),
        voter: BOB.to_owned(),
    };
    options.iter().map(vote).collect()
}

fn other_post(text: &str, on: Option<&str>) -> (Event, String, Option<String>) {
    (Event::Other, text.to_owned(), on.map(str::to_owned))
}

#[test]
fn a_poll_its_votes_and_its_added_choices_are_posted_with_the_first_polls_guid() {
    let mut group = Group::new();
    let first = group.send_poll(QUESTION);
    group.send_vote(&first, &["Sushi"]);
    let added = poll(QUESTION, &["Pizza", "Sushi", "Tacos"]);
    let message = group.message_from(group.bob).added_choice(&first, &added);
    let update = group.deliver(&message);
    // A vote may name the row that added the choice.
    group.send_vote(&update, &["Tacos", "Pizza", "Tacos"]);
    group.send_vote(&format!("p:0/{first}"), &[]);
    let added = poll(QUESTION, &["Pizza", "Sushi", "Tacos", "Ramen", "Soup"]);
    group.mac.advance(secs(1));
    let message = NewMessage::outgoing(group.mac.now())
        .poll(&added)
        .associated(3, &update);
    group.deliver(&message);
    let on = Some(first.as_str());
    let expected = [
        other_post("a poll: “Where to eat?” Options: Pizza, Sushi", None),
        other_post("voted in the poll “Where to eat?”: Sushi", on),
        other_post("added a choice to the poll “Where to eat?”: Tacos", on),
        other_post("voted in the poll “Where to eat?”: Tacos, Pizza", on),
        other_post("withdrew the vote in the poll “Where to eat?”", on),
        other_post("added choices to the poll “Where to eat?”: Ramen, Soup", on),
    ];
    assert_eq!(group.posts(), expected);
    assert_eq!(group.posts(), expected, "nothing is posted twice");
}

#[test]
fn choices_added_in_separate_rows_are_posted_one_each() {
    let mut group = Group::new();
    let first = group.send_poll("");
    for choice in ["Tacos", "Ramen"] {
        let list = poll("", &["Pizza", "Sushi", choice]);
        let message = group.message_from(group.bob).added_choice(&first, &list);
        group.deliver(&message);
    }
    // The words of a choice are changed.
    let mut list = poll("", &["Pizza", "Sushi"]);
    list.options[1].text = "Sushi at last".to_owned();
    let message = group.message_from(group.ada).added_choice(&first, &list);
    group.deliver(&message);
    group.send_vote(&first, &["Sushi", "Ramen"]);
    let expected = [
        "added a choice to a poll: Tacos",
        "added a choice to a poll: Ramen",
        "changed a poll. Options: Pizza, Sushi at last",
        "voted in a poll: Sushi at last, Ramen",
    ];
    assert_eq!(group.texts()[1..], expected);
}

#[test]
fn only_the_caption_of_a_poll_refers_to_the_poll() {
    let mut group = Group::new();
    let first = group.send_poll("");
    group.mac.advance(Duration::from_millis(300));
    let caption = |group: &Group, handle| {
        group
            .message_from(handle)
            .text("Lunch where?")
            .set("reply_to_guid", first.clone())
    };
    let message = caption(&group, group.ada);
    let asked = group.deliver(&message);
    group.send_vote(&first, &["Pizza"]);
    // Each of these rows names an earlier row in `reply_to_guid`, and none is a caption of the poll.
    let message = caption(&group, group.bob);
    group.deliver(&message);
    let message = NewMessage::outgoing(group.mac.now())
        .text("hm")
        .set("reply_to_guid", first.clone());
    group.deliver(&message);
    group.mac.advance(secs(60));
    let message = caption(&group, group.ada);
    group.deliver(&message);
    let message = group
        .message_from(group.ada)
        .text("and?")
        .set("reply_to_guid", asked);
    group.deliver(&message);
    let message =
        |text: &str, on: Option<&str>| (Event::Message, text.to_owned(), on.map(str::to_owned));
    let on = Some(first.as_str());
    let expected = [
        other_post("a poll. Options: Pizza, Sushi", None),
        message("Lunch where?", on),
        other_post("voted in a poll: Pizza", on),
        message("Lunch where?", None),
        message("hm", None),
        message("Lunch where?", None),
        message("and?", None),
    ];
    assert_eq!(group.posts(), expected);
}

#[test]
fn a_text_that_follows_its_senders_vote_or_added_choice_is_not_a_caption() {
    let mut group = Group::new();
    let first = group.send_poll(QUESTION);
    let message = group
        .message_from(group.bob)
        .vote(&first, &votes(&["Pizza"]));
    let vote = group.deliver(&message);
    let added = poll(QUESTION, &["Pizza", "Sushi", "Tacos"]);
    let message = group.message_from(group.bob).added_choice(&first, &added);
    let added = group.deliver(&message);
    for before in [vote, added] {
        let message = group
            .message_from(group.bob)
            .text("yum")
            .set("reply_to_guid", before);
        group.deliver(&message);
    }
    let posts = group.posts();
    assert_eq!(
        posts[3..]
            .iter()
            .map(|(.., on)| on.clone())
            .collect::<Vec<_>>(),
        [None, None]
    );
}

#[test]
fn a_hundred_votes_hide_no_added_choice() {
    let mut group = Group::new();
    let first = group.send_poll(QUESTION);
    for _ in 0..120 {
        group.send_vote(&first, &["Pizza"]);
    }
    let message = group
        .message_from(group.ada)
        .added_choice(&first, &poll(QUESTION, &["Pizza", "Tacos"]));
    group.deliver(&message);
    group.send_vote(&first, &["Tacos"]);
    assert_eq!(
        group.texts()[122],
        "voted in the poll “Where to eat?”: Tacos"
    );
}

#[test]
fn a_poll_or_vote_without_a_readable_payload_is_posted_without_details() {
    let mut group = Group::new();
    let first = group.send_poll(QUESTION);
    let damaged = |message: NewMessage| message.set("payload_data", b"bplist00 damaged".to_vec());
    let missing = |message: NewMessage| message.set("payload_data", rusqlite::types::Value::Null);
    for spoil in [damaged as fn(NewMessage) -> NewMessage, missing] {
        for message in [
            group.message_from(group.ada).poll(&poll("", &["A"])),
            group
                .message_from(group.bob)
                .vote(&first, &votes(&["Pizza"])),
            group
                .message_from(group.bob)
                .added_choice(&first, &poll("", &["A"])),
        ] {
            group.deliver(&spoil(message));
        }
    }
    let on = Some(first.as_str());
    let each = [
        other_post("a poll", None),
        other_post("voted in a poll", on),
        other_post("a poll", on),
    ];
    assert_eq!(group.posts()[1..], [each.clone(), each].concat());
}

#[test]
fn votes_for_an_absent_poll_or_an_unknown_choice_are_posted() {
    let mut group = Group::new();
    group.send_vote("GONE", &["Pizza"]);
    let message = group
        .message_from(group.bob)
        .added_choice("GONE", &poll("", &["Pizza", "Sushi"]));
    group.deliver(&message);
    let first = group.send_poll(QUESTION);
    group.send_vote(&first, &["Soup", "Pizza", "Stew"]);
    group.send_vote(&first, &["Soup"]);
    let mine = PollVote {
        option: PollOption::id_of("Pizza"),
        voter: format!("tel:{ADA}"),
    };
    let all = [votes(&["Sushi"]), vec![mine]].concat();
    let message = group.message_from(group.ada).vote(&first, &all);
    group.deliver(&message);
    let on = Some(first.as_str());
    let expected = [
        // The choices of a poll are read from its update, if chat.db has that.
        other_post("voted in a poll: Pizza", Some("GONE")),
        other_post(
            "added a choice to a poll. Options: Pizza, Sushi",
            Some("GONE"),
        ),
        other_post("a poll: “Where to eat?” Options: Pizza, Sushi", None),
        other_post(
            "voted in the poll “Where to eat?”: an unknown choice, Pizza",
            on,
        ),
        other_post("voted in the poll “Where to eat?”", on),
        // Of the votes of several persons only the sender's are posted.
        other_post("voted in the poll “Where to eat?”: Pizza", on),
    ];
    assert_eq!(group.posts(), expected);
}

#[test]
fn a_vote_row_with_votes_of_two_people_posts_only_its_senders_vote() {
    let vote = |voter: &str, option: &str| PollVote {
        option: PollOption::id_of(option),
        voter: voter.to_owned(),
    };
    for own in ["+15550100099", "me@example.com", "tel:+15550100099"] {
        let mut group = Group::new();
        let (direct, ada) = group.mac.direct_chat(ADA);
        for chat in [group.chat, direct] {
            group.chat = chat;
            let first = group.send_poll(QUESTION);
            let all = [vote(own, "Pizza"), vote(&format!("tel:{ADA}"), "Sushi")];
            let now = group.mac.now();
            let outgoing = |votes: &[PollVote]| {
                let row = NewMessage::outgoing(now).vote(&first, votes);
                if chat == direct {
                    row.set("handle_id", ada)
                } else {
                    row
                }
            };
            let mine = outgoing(&all);
            group.deliver(&mine);
            let withdrawn = outgoing(&all[1..]);
            group.deliver(&withdrawn);
            let hers = group.message_from(ada).vote(&first, &all);
            group.deliver(&hers);
            let expected = [
                "a poll: “Where to eat?” Options: Pizza, Sushi",
                "voted in the poll “Where to eat?”: Pizza",
                "withdrew the vote in the poll “Where to eat?”",
                "voted in the poll “Where to eat?”: Sushi",
            ];
            let texts = group.texts();
            assert_eq!(texts[texts.len() - 4..], expected, "{own}");
        }
    }
}

#[test]
fn a_late_payload_of_a_poll_or_a_vote_is_posted_as_a_late_text() {
    let mut group = Group::new();
    let none = rusqlite::types::Value::Null;
    let message = group
        .message_from(group.ada)
        .poll(&poll("", &["A"]))
        .set("payload_data", none.clone());
    let asked = group.deliver(&message);
    let message = group
        .message_from(group.bob)
        .vote(&asked, &[])
        .set("payload_data", none);
    let voted = group.deliver(&message);
    assert_eq!(group.texts(), ["a poll", "voted in a poll"]);
    group.mac.advance(secs(3));
    for (guid, payload) in [
        (&asked, poll(QUESTION, &["Pizza", "Sushi"]).payload()),
        (&voted, votes(&["Pizza"]).payload()),
    ] {
        let sql = "update message set payload_data = ?1 where guid = ?2";
        group
            .mac
            .messages
            .raw()
            .execute(sql, rusqlite::params![payload, guid])
            .unwrap();
    }
    group.mac.run_relay();
    group.mac.run_relay();
    let events: Vec<_> = group.mac.events()[2..].to_vec();
    assert_eq!(events, [(Event::Edit, 0), (Event::Edit, 0)]);
    assert_eq!(
        group.texts()[2..],
        [
            "a poll: “Where to eat?” Options: Pizza, Sushi",
            "voted in the poll “Where to eat?”: Pizza"
        ]
    );
}
