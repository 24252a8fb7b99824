use proptest::prelude::*;
use shared_protocol::TapbackAction::{Added, Removed};
use shared_protocol::TapbackKind::{
    Dislike, Emoji, Emphasize, Laugh, Like, Love, Question, Sticker,
};

use super::*;

mod media;

pub(super) const TEXT: &str = "See you tonight at eight";

/// The reaction that `text` is over SMS in a chat with the messages `earlier`. Their guids are their indexes.
pub(super) fn over_sms(text: &str, earlier: &[&str]) -> Option<TextReaction> {
    reaction_over(Channel::WithoutReactions, text, earlier)
}

fn reaction_over(channel: Channel, text: &str, earlier: &[&str]) -> Option<TextReaction> {
    let possible = PossibleReaction::of(text, channel)?;
    let with_target = earlier
        .iter()
        .enumerate()
        .find_map(|(i, earlier)| possible.about_text(&i.to_string(), earlier));
    with_target.or_else(|| possible.without_target())
}

/// Action, kind and emoji of a reaction, without its target.
pub(super) fn meaning(
    reaction: Option<TextReaction>,
) -> Option<(TapbackAction, TapbackKind, Option<String>)> {
    reaction.map(|reaction| (reaction.action, reaction.kind, reaction.emoji))
}

#[test]
fn a_known_wording_needs_the_quoted_text_only_over_imessage() {
    for (words, action, kind) in [
        ("Liked", Added, Like),
        ("Loved", Added, Love),
        ("Disliked", Added, Dislike),
        ("Laughed at", Added, Laugh),
        ("Emphasized", Added, Emphasize),
        ("Questioned", Added, Question),
        ("Removed a like from", Removed, Like),
        ("Removed a heart from", Removed, Love),
        ("Removed a dislike from", Removed, Dislike),
        ("Removed a laugh from", Removed, Laugh),
        ("Removed an exclamation from", Removed, Emphasize),
        ("Removed a question mark from", Removed, Question),
        ("Reacted with a sticker to", Added, Sticker),
    ] {
        let text = format!("{words} “{TEXT}”");
        let targeted = over_sms(&text, &["other", TEXT]).unwrap();
        assert_eq!((targeted.action, targeted.kind), (action, kind), "{text}");
        assert_eq!(targeted.target.as_deref(), Some("1"), "{text}");
        let untargeted = over_sms(&text, &["other"]).unwrap();
        let meaning = (untargeted.action, untargeted.kind);
        assert_eq!(meaning, (action, kind), "{text}");
        assert_eq!(untargeted.target, None, "{text}");
        let over_imessage = reaction_over(Channel::WithReactions, &text, &[TEXT]).unwrap();
        assert_eq!(over_imessage.target.as_deref(), Some("0"), "{text}");
        assert_eq!(
            reaction_over(Channel::WithReactions, &text, &["other"]),
            None,
            "{text}"
        );
    }
}

#[test]
fn emoji_reactions_keep_their_emoji_whole() {
    for emoji in ["🎉", "👍🏽", "❤️", "👩‍👩‍👧", "🇩🇪", "1️⃣", "‼️"]
    {
        for (text, action) in [
            (format!("Reacted {emoji} to “{TEXT}”"), Added),
            (format!("Reacted with {emoji} to “{TEXT}”"), Added),
            (format!("Reacted to “{TEXT}” with {emoji}"), Added),
            (format!("{emoji} to “{TEXT}”"), Added),
            (
                format!("\u{200a}\u{200b}{emoji}\u{200b} to “\u{200a}{TEXT}\u{200a}”"),
                Added,
            ),
            (
                format!("\u{200a}\u{200c}{emoji}\u{200c} from “\u{200a}{TEXT}\u{200a}”"),
                Removed,
            ),
            (format!("Removed {emoji} from “{TEXT}” "), Removed),
            (format!("Hat mit {emoji} auf „{TEXT}“ reagiert"), Added),
            (
                format!("A réagi avec {emoji} à «\u{a0}{TEXT}\u{a0}»"),
                Added,
            ),
            (format!("Reaccionó con {emoji} a “{TEXT}”"), Added),
            (format!("Reagerte med {emoji} på «{TEXT}»"), Added),
            (format!("{emoji} “{TEXT}”"), Added),
            (format!("Nẹ {emoji} si “{TEXT}”"), Added),
        ] {
            let expected = Some((action, Emoji, Some(emoji.to_owned())));
            assert_eq!(meaning(over_sms(&text, &[TEXT])), expected, "{text}");
        }
        let untargeted = over_sms(&format!("\u{200b}{emoji}\u{200b} to “gone”"), &[]);
        assert_eq!(
            meaning(untargeted),
            Some((Added, Emoji, Some(emoji.to_owned())))
        );
    }
}

#[test]
fn other_languages_and_quotation_marks_are_recognised() {
    for (text, kind) in [
        ("Gefällt „{}“", Like),
        ("Liebt „{}“", Love),
        ("Lacht über »{}«", Laugh),
        ("Hat „{}“ mit „Gefällt mir“ markiert", Like),
        ("A aimé «\u{202f}{}\u{202f}»", Like),
        ("A adoré “{}”", Love),
        ("N’a pas aimé « {} »", Dislike),
        ("A ajouté un « J’aime » à « {} »", Like),
        ("Le gustó «{}»", Like),
        ("Le encantó “{}”", Love),
        ("Le dio risa “{}”", Laugh),
        ("Exclamó por “{}”", Emphasize),
        ("Dudó sobre “{}”", Question),
        ("Adorou “{}”", Love),
        ("Gostou de “{}”", Like),
        ("Ha adorato “{}”", Love),
        ("Ha messo “Mi piace” a “{}”", Like),
        ("Vond ‘{}’ leuk", Like),
        ("Gillade ”{}”", Like),
        ("Likte «{}»", Like),
        ("Syntes godt om »{}«", Like),
        ("Polubiono: „{}”", Like),
        ("Понравилось «{}»", Like),
        ("“{}” iletisini beğendi", Like),
        ("「{}」を強調しました", Emphasize),
        ("『{}』に“いいね”しました", Like),
        ("“{}”을(를) 좋아함", Like),
        ("„{}” beğendi", Like),
        ("點了「{}」讚", Like),
        ("赞了“{}”", Like),
        ("喜欢“{}”", Like),
        ("Líkaði við „{}“", Like),
        ("Patiko „{}“", Like),
        ("ने “{}” को पसंद किया", Like),
        ("Sviđa mu se “{}”", Like),
        ("أعجبه “{}”", Like),
        ("Les gusta ‹{}›", Like),
        ("Elsker “{}”", Love),
        ("Liked: “{}”", Like),
    ] {
        let text = text.replace("{}", TEXT);
        let found = over_sms(&text, &[TEXT]);
        assert_eq!(meaning(found), Some((Added, kind, None)), "{text}");
    }
    let removal = over_sms(&format!("Ha quitado un corazón de “{TEXT}”"), &[TEXT]);
    assert_eq!(meaning(removal), Some((Removed, Love, None)));
    for text in [
        "Gefällt „nicht da“",
        "A aimé « pas là »",
        "Le gustó «no está»",
        "Понравилось «нет»",
    ] {
        let found = over_sms(text, &[TEXT]).unwrap();
        assert_eq!(found.target, None, "{text}");
    }
}

#[test]
fn the_words_of_a_person_stay_a_message() {
    for text in [
        "My sister said “See you tonight at eight” and then never came",
        "“See you tonight at eight”",
        "lol “See you tonight at eight” haha",
        "she said “See you tonight at eight”",
        "You said “See you tonight at eight”",
        "Why “See you tonight at eight”?",
        "What does he mean by “See you tonight at eight”",
        "I meant “See you tonight at eight”",
        "Re: “See you tonight at eight”",
        "Great “See you tonight at eight”",
        "So true “See you tonight at eight”",
        "Perfect “See you tonight at eight”",
        "Schön “See you tonight at eight”",
        "Très bien “See you tonight at eight”",
        "Noted “See you tonight at eight”",
        "Loved your idea “See you tonight at eight”",
        "Disliked the tone of “See you tonight at eight”",
        "Questions “See you tonight at eight”",
        "什么是“See you tonight at eight”",
        "好的“See you tonight at eight”",
        "Хорошо «See you tonight at eight»",
        "네 “See you tonight at eight”",
        "Natürlich „See you tonight at eight“",
        "Świetnie „See you tonight at eight”",
        "She wrote: “See you tonight at eight”",
        "Reminder: “See you tonight at eight”",
        "“See you tonight at eight” really?",
        "“See you tonight at eight” sounds good",
        "“See you tonight at eight” 😂",
        "“See you tonight at eight”! Great.",
        "「See you tonight at eight」って言いました",
        "Mom said “See you tonight at eight”",
        "Ich meinte „See you tonight at eight“",
        "Edited to “See you tonight at eight”",
        "Liked the film, loved the music",
        "I loved “Dune”",
        "Have you read “Dune”",
        "The word is “dune”",
        "😂 he said “no way”",
        "Liked “Dune” a lot",
        "Liked “Dune” and “Alien”",
        "Loved it",
        "Loved an image of the lake",
        "Liked a link that she sent",
        "Loved a Memoji of yours",
        "liked a link",
        "I made a Memoji",
        "Loved 2 images of the lake",
        "Liked 20 of them",
        "I loved an image",
        "Liked \"Dune\"",
        "Liked 'Dune'",
        "Loved \"Dune\"",
        "Questioned \"Dune\"",
        "Removed a scene from \"Dune\"",
        "Laughed at \"Dune\" again",
        "laughed at \"Dune\"",
        "Laughed at \"Dune\" and \"Alien\"",
        "😂 at \"Dune\"",
        "👍 ke “gone”",
        "\u{200b}👍 ke “gone”",
        "\u{200b}👍\u{200b} “gone” was the best thing",
        "she sent \u{200b}👍\u{200b} for “gone”",
        "don't say 'See you tonight at eight'",
        "5'11\" tall",
        "“”",
        "I like “”",
        "”“",
        "",
    ] {
        assert_eq!(over_sms(text, &[TEXT, "no"]), None, "{text}");
    }
}

#[test]
fn with_straight_quotation_marks_a_like_needs_a_known_wording_and_the_text() {
    let meaning_of = |text: &str| meaning(over_sms(text, &[TEXT, "I'm \"in\""]));
    assert_eq!(
        meaning_of(&format!("Liked \"{TEXT}\"")),
        Some((Added, Like, None))
    );
    assert_eq!(
        meaning_of(&format!("Liked '{TEXT}'")),
        Some((Added, Like, None))
    );
    assert_eq!(
        meaning_of("Liked \"I'm \"in\"\""),
        Some((Added, Like, None))
    );
    assert_eq!(meaning_of(&format!("Líkaði við \"{TEXT}\"")), None);
    let with_emoji = format!("👍 to \"{TEXT}\"");
    assert_eq!(
        meaning_of(&with_emoji),
        Some((Added, Emoji, Some("👍".to_owned())))
    );
}

#[test]
fn texts_are_compared_without_what_networks_change() {
    for (quoted, text) in [
        ("she said “hi” to me", "she said “hi” to me"),
        ("she said \"hi\" to me", "she said “hi” to me"),
        ("“hi”", "“hi”"),
        ("one\ntwo  three", "one two three"),
        ("\u{200a}one two\u{200b}", "one\u{a0}two"),
        ("see ❤ you", "see ❤️ you"),
        ("wait...", "wait…"),
        ("two – three", "two - three"),
        ("5” of snow", "5” of snow"),
        ("it’s me", "it's me"),
        ("look \u{fffc}", "look"),
        ("😂", "😂"),
    ] {
        let found = over_sms(&format!("Liked “{quoted}”"), &[text]);
        assert_eq!(found.unwrap().target.as_deref(), Some("0"), "{quoted}");
    }
}

#[test]
fn a_quotation_may_be_cut_but_not_to_a_few_characters() {
    let long = "The long way around the lake, past the old mill and the boat house";
    let target = |quoted: &str, words: &str| {
        let found = over_sms(&format!("{words} “{quoted}”"), &[long, "The"]);
        found.and_then(|found| found.target)
    };
    assert_eq!(
        target("The long way around…", "Loved").as_deref(),
        Some("0")
    );
    assert_eq!(target("The long way …", "Loved").as_deref(), Some("0"));
    assert_eq!(
        target("The long way around...", "Loved").as_deref(),
        Some("0")
    );
    assert_eq!(target("The long way around", "Loved").as_deref(), Some("0"));
    assert_eq!(target("The", "Loved").as_deref(), Some("1"));
    assert_eq!(target("The long", "Loved"), None);
    assert_eq!(target("The long way around", "Líkaði við"), None);
    assert_eq!(
        target("The long way around the…", "Líkaði við").as_deref(),
        Some("0")
    );
    assert_eq!(target("…", "Loved"), None);
    // A network that limits the length of a text has cut off the closing mark.
    let open = format!("Loved “{}", &long[..50]);
    assert_eq!(
        over_sms(&open, &[long]).unwrap().target.as_deref(),
        Some("0")
    );
    assert_eq!(over_sms(&open, &["other"]), None);
    assert_eq!(over_sms("Loved “The long way", &[long]), None);
}

#[test]
fn only_sms_and_rcs_are_channels_without_reactions() {
    for (service, expected) in [
        (Some("SMS"), Channel::WithoutReactions),
        (Some("sms"), Channel::WithoutReactions),
        (Some("RCS"), Channel::WithoutReactions),
        (Some("SatelliteSMS"), Channel::WithoutReactions),
        (Some("iMessage"), Channel::WithReactions),
        (Some("iMessageLite"), Channel::WithReactions),
        (None, Channel::WithReactions),
    ] {
        assert_eq!(Channel::of(service), expected, "{service:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_recognition_panic(text in any::<String>(), odd in "[“”„«»‹›「」\"'’‘ a-zL👍❤️\u{200d}\u{fe0f}\u{200b}…:.]{0,40}") {
        for text in [&text, &odd] {
            for channel in [Channel::WithoutReactions, Channel::WithReactions] {
                let _ = reaction_over(channel, text, &[&odd, "a"]);
            }
        }
    }

    #[test]
    fn a_reaction_to_any_text_is_recognised(earlier in "[^\u{fffc}\u{fffd}]{1,60}") {
        // A text of nothing but invisible characters cannot be quoted.
        prop_assume!(!comparable(&earlier).is_empty());
        let found = over_sms(&format!("Loved “{earlier}”"), &[&earlier]);
        let found = found.and_then(|found| found.target);
        prop_assert_eq!(found.as_deref(), Some("0"));
    }

    #[test]
    fn unknown_words_are_no_reaction_without_the_text_or_over_imessage(
        lead in "[A-Z][a-z]{1,8}( [a-z]{1,8}){0,4}", quoted in "[a-z ]{1,20}", tail in "( [a-z]{1,8}){0,2}",
    ) {
        let is_known = WORDINGS.iter().any(|known| lead.to_lowercase() == known.lead);
        prop_assume!(!is_known && !quoted.trim().is_empty());
        let text = format!("{lead} “{quoted}”{tail}");
        prop_assert_eq!(over_sms(&text, &["other"]), None);
        prop_assert_eq!(reaction_over(Channel::WithReactions, &text, &[&quoted]), None);
    }

    #[test]
    fn over_imessage_nothing_is_a_reaction_without_its_text(text in any::<String>(), words in 0..WORDINGS.len()) {
        let wording = &WORDINGS[words];
        for text in [text.clone(), format!("{} “{text}” {}", wording.lead, wording.tail)] {
            prop_assert_eq!(reaction_over(Channel::WithReactions, &text, &[]), None);
        }
    }

    #[test]
    fn a_text_without_quotation_marks_is_a_reaction_only_if_it_names_media(text in "[^“”„«»‹›「」『』《》〈〉\"'’‘‚＂]{0,80}") {
        let found = over_sms(&text, &[&text]);
        prop_assert!(found.is_none() || PossibleReaction::of(&text, Channel::WithoutReactions).unwrap().media().is_some());
    }
}
