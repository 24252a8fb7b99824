use super::*;

const ADDRESS: &str = "https://example.com/a";

/// A row from the peer, sent `millis` after a fixed time. Its guid is `G` and its ROWID.
fn row(rowid: i64, millis: i64, form: Form, text: &str) -> Neighbour {
    Neighbour {
        rowid,
        guid: format!("G{rowid}"),
        sent_at: Some(1_790_000_000_000_000 + millis * 1_000),
        sender: Sender::Peer(Some("+15550100001".to_owned())),
        form,
        text: text.to_owned(),
        ..Neighbour::default()
    }
}

fn text(rowid: i64, millis: i64, text: &str) -> Neighbour {
    row(rowid, millis, Form::Text, text)
}

fn link(rowid: i64, millis: i64, address: &str) -> Neighbour {
    row(rowid, millis, Form::Link, address)
}

impl Neighbour {
    fn replying_to(self, rowid: i64) -> Self {
        Self {
            reply_to: Some(format!("G{rowid}")),
            ..self
        }
    }

    fn associated_with(self, rowid: i64) -> Self {
        Self {
            associated: Some(format!("G{rowid}")),
            ..self
        }
    }

    fn by_owner(self) -> Self {
        Self {
            sender: Sender::Owner,
            ..self
        }
    }
}

/// The relation of the last row of the chat. All rows are in that chat.
fn relation_of_last(rows: &[Neighbour]) -> Relation {
    relation_and_awaited(rows).0
}

fn relation_and_awaited(rows: &[Neighbour]) -> (Relation, Option<Awaited>) {
    let link = rows.last().unwrap();
    let referent = link.reference().map(|reference| {
        let (Reference::Associated(guid) | Reference::ReplyTo(guid)) = reference;
        let named = rows.iter().find(|row| row.guid == guid);
        named.map_or(Referent::Missing, Referent::Here)
    });
    relation(link, referent, rows)
}

fn preview(rowid: i64) -> Relation {
    Relation::LinkPreview(format!("G{rowid}"))
}

fn link_of(rowid: i64) -> Relation {
    Relation::LinkOf(format!("G{rowid}"))
}

#[test]
fn a_part_of_an_address_is_another_address() {
    let setup = "see https://example.com/docs/setup";
    for (words, address, expected) in [
        (setup, "https://example.com", Relation::None),
        (setup, "https://example.com/docs", Relation::None),
        (setup, "https://example.com/docs/setup", preview(1)),
        (setup, "example.com/docs/setup/", preview(1)),
        (
            "HTTP://Example.COM/docs?x=%c3%a9",
            "https://example.com/docs?x=é",
            preview(1),
        ),
        (
            "https://example.com/?u=https://example.com/a",
            ADDRESS,
            Relation::None,
        ),
    ] {
        let rows = [text(1, 0, words), link(2, 900, address)];
        assert_eq!(relation_of_last(&rows), expected, "{words} {address}");
    }
}

#[test]
fn a_link_in_an_attribute_or_a_further_address_of_the_link_row_counts() {
    let hidden = Neighbour {
        links: vec![ADDRESS.to_owned()],
        ..text(1, 0, "the page")
    };
    assert_eq!(
        relation_of_last(&[hidden, link(2, 900, ADDRESS)]),
        preview(1)
    );
    let redirected = Neighbour {
        links: vec![ADDRESS.to_owned(), "https://example.com/b".to_owned()],
        ..link(2, 900, "")
    };
    assert_eq!(
        relation_of_last(&[text(1, 0, "look: example.com/b"), redirected]),
        preview(1)
    );
}

#[test]
fn a_link_sent_again_is_a_message() {
    let sent = || text(1, 0, ADDRESS);
    let shown = || link(2, 900, ADDRESS);
    assert_eq!(
        relation_of_last(&[sent(), shown(), link(3, 2_000, ADDRESS)]),
        Relation::None
    );
    let twice = [sent(), text(2, 500, ADDRESS), link(3, 900, ADDRESS)];
    assert_eq!(relation_of_last(&twice), preview(2));
    let mut both = twice.to_vec();
    both.push(link(4, 1_400, ADDRESS));
    assert_eq!(relation_of_last(&both), preview(1));
    both.push(link(5, 3_000, ADDRESS));
    assert_eq!(relation_of_last(&both), Relation::None);
    // The previous message of the chat is the text, which has its preview already.
    let again = link(3, 2_000, ADDRESS).replying_to(1);
    assert_eq!(relation_of_last(&[sent(), shown(), again]), Relation::None);
    // Two rows with the same date are copies.
    assert_eq!(
        relation_of_last(&[sent(), shown(), link(9, 900, ADDRESS)]),
        preview(1)
    );
}

#[test]
fn one_text_with_two_links_has_two_previews() {
    let both = "https://example.com/a and https://example.com/b";
    let rows = [
        text(1, 0, both),
        link(2, 900, ADDRESS),
        link(3, 950, "example.com/b"),
    ];
    assert_eq!(relation_of_last(&rows[..2]), preview(1));
    assert_eq!(relation_of_last(&rows), preview(1));
    let named = [
        text(1, 0, both),
        link(2, 900, ADDRESS).replying_to(1),
        link(3, 950, "example.com/b").replying_to(1),
    ];
    assert_eq!(relation_of_last(&named), preview(1));
}

#[test]
fn a_link_row_belongs_to_the_text_that_it_names() {
    let relation_of = |words: &str, address: &str| {
        relation_of_last(&[text(1, 0, words), link(2, 6_000, address).replying_to(1)])
    };
    assert_eq!(
        relation_of("see https://example.com/a", ADDRESS),
        preview(1)
    );
    assert_eq!(relation_of("this one is short", ADDRESS), link_of(1));
    assert_eq!(
        relation_of("see https://example.com/docs", ADDRESS),
        link_of(1)
    );
    assert_eq!(relation_of("see https://example.com/docs", ""), preview(1));
    assert_eq!(relation_of("nothing", ""), link_of(1));
    let linkless = relation_and_awaited(&[text(1, 0, ADDRESS), link(2, 900, "").replying_to(1)]);
    assert_eq!(linkless, (preview(1), Some(Awaited::Link)));
    // The nearer text has the link, and the row names another text.
    let farther = [
        text(1, 0, ADDRESS),
        text(2, 500, ADDRESS),
        link(3, 900, ADDRESS).associated_with(1),
    ];
    assert_eq!(relation_of_last(&farther), preview(1));
}

#[test]
fn a_link_row_that_names_anything_but_a_near_text_of_its_sender_is_no_preview() {
    let sent = || text(1, 0, ADDRESS);
    let referring =
        |row: Neighbour| relation_of_last(&[sent(), row, link(3, 900, ADDRESS).replying_to(2)]);
    assert_eq!(referring(text(2, 500, "mine").by_owner()), Relation::None);
    assert_eq!(
        referring(link(2, 500, "https://example.com/b")),
        Relation::None
    );
    assert_eq!(referring(row(2, 500, Form::Other, "")), Relation::None);
    assert_eq!(referring(text(2, -20_000, ADDRESS)), Relation::None);
    let old = [
        text(1, -60_000, ADDRESS),
        link(3, 900, ADDRESS).associated_with(1),
    ];
    assert_eq!(
        relation_of_last(&old),
        preview(1),
        "an associated row may be older"
    );
    // A row that names itself names no other row.
    assert_eq!(
        relation_of_last(&[sent(), link(2, 900, ADDRESS).associated_with(2)]),
        preview(1)
    );
    let link = link(2, 900, ADDRESS).replying_to(1);
    let elsewhere = relation(&link, Some(Referent::Elsewhere), &[sent()]);
    assert_eq!(elsewhere, (Relation::None, None));
}

#[test]
fn a_link_waits_for_the_row_that_it_names() {
    let missing = relation_and_awaited(&[link(2, 900, ADDRESS).associated_with(1)]);
    assert_eq!(missing, (link_of(1), Some(Awaited::Reference)));
    let missing = relation_and_awaited(&[link(2, 900, ADDRESS).replying_to(1)]);
    assert_eq!(missing, (Relation::None, Some(Awaited::Reference)));
    let copied = [
        text(7, 0, ADDRESS),
        link(8, 900, ADDRESS).associated_with(1),
    ];
    assert_eq!(
        relation_and_awaited(&copied),
        (preview(7), Some(Awaited::Reference))
    );
    let (link, sent) = (link(2, 900, ADDRESS).replying_to(1), text(1, 0, ADDRESS));
    let unjoined = relation(&link, Some(Referent::Unjoined(&sent)), &[]);
    assert_eq!(unjoined, (link_of(1), Some(Awaited::Reference)));
}

#[test]
fn without_a_reference_time_and_sender_decide() {
    let relation_of =
        |words: &str, millis: i64| relation_of_last(&[text(1, 0, words), link(2, millis, ADDRESS)]);
    assert_eq!(relation_of("see https://example.com/a", 10_000), preview(1));
    assert_eq!(
        relation_of("see https://example.com/a", 10_001),
        Relation::None
    );
    assert_eq!(relation_of("this one", 6_000), link_of(1));
    assert_eq!(relation_of("this one", 6_001), Relation::None);
    assert_eq!(
        relation_of("this https://example.com/docs", 900),
        Relation::None
    );
    let by_owner = [text(1, 0, ADDRESS).by_owner(), link(2, 900, ADDRESS)];
    assert_eq!(relation_of_last(&by_owner), Relation::None);
    let both_by_owner = [
        text(1, 0, ADDRESS).by_owner(),
        link(2, 900, ADDRESS).by_owner(),
    ];
    assert_eq!(relation_of_last(&both_by_owner), preview(1));
    // Other persons may write in between, but not the sender.
    let interrupted = |between: Neighbour| {
        relation_of_last(&[text(1, 0, "this"), between, link(3, 900, ADDRESS)])
    };
    assert_eq!(interrupted(text(2, 500, "hm").by_owner()), link_of(1));
    assert_eq!(interrupted(row(2, 500, Form::Other, "")), Relation::None);
    assert_eq!(
        interrupted(link(2, 500, "https://example.com/b")),
        Relation::None
    );
    assert_eq!(relation_of_last(&[link(2, 900, ADDRESS)]), Relation::None);
}

#[test]
fn a_text_may_have_a_higher_rowid_than_its_link() {
    let rows = [text(9, 0, ADDRESS), link(2, 900, ADDRESS)];
    assert_eq!(relation_of_last(&rows), preview(9));
    let after = [text(9, 1_000, ADDRESS), link(2, 900, ADDRESS)];
    assert_eq!(relation_of_last(&after), Relation::None);
    let later_date = [text(1, 1_000, ADDRESS), link(2, 900, ADDRESS)];
    assert_eq!(relation_of_last(&later_date), preview(1));
}

#[test]
fn a_link_row_with_words_is_a_message() {
    let wordy = || link(2, 900, "look at https://example.com/a");
    assert_eq!(
        relation_of_last(&[text(1, 0, ADDRESS), wordy()]),
        Relation::None
    );
    assert_eq!(
        relation_of_last(&[text(1, 0, ADDRESS), wordy().associated_with(1)]),
        Relation::None
    );
}

#[test]
fn a_late_text_finds_the_link_row_that_shows_it() {
    let late = text(1, 0, ADDRESS);
    let around = [late.clone(), link(2, 900, ADDRESS)];
    let found = |around: &[Neighbour]| preview_of(&late, around).map(|link| link.rowid);
    assert_eq!(found(&around), Some(2));
    assert_eq!(
        found(&[late.clone(), link(2, 900, ADDRESS).associated_with(1)]),
        Some(2)
    );
    assert_eq!(
        found(&[late.clone(), link(2, 900, "https://example.com/b")]),
        None
    );
    assert_eq!(
        found(&[late.clone(), link(2, 900, ADDRESS).by_owner()]),
        None
    );
    assert_eq!(found(std::slice::from_ref(&late)), None);
}

#[test]
fn a_link_row_that_repeats_a_text_word_for_word_is_its_preview_once() {
    let words = "See you there: https://example.com/place";
    let sentence = text(1, 0, words);
    let preview = || Relation::LinkPreview("G1".to_owned());
    assert_eq!(
        relation_of_last(&[sentence.clone(), link(2, 900, words)]),
        preview()
    );
    let spaced = link(2, 900, "See you  there:\nhttps://example.com/place ");
    assert_eq!(relation_of_last(&[sentence.clone(), spaced]), preview());
    let again = link(3, 2_000, words);
    assert_eq!(
        relation_of_last(&[sentence.clone(), link(2, 900, words), again]),
        Relation::None
    );
    for other in [
        link(2, 900, "See you there at 8: https://example.com/place"),
        link(2, 11_000, words),
        link(2, 900, words).by_owner(),
    ] {
        assert_eq!(
            relation_of_last(&[sentence.clone(), other.clone()]),
            Relation::None,
            "{other:?}"
        );
    }
}
