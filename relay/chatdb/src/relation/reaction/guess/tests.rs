use shared_protocol::TapbackAction::{Added, Removed};
use shared_protocol::TapbackKind::{Dislike, Emoji, Laugh, Like, Love, Question};

use crate::relation::reaction::tests::{TEXT, meaning, over_sms};

/// Words that persons write before a quotation. Most resemble a listed verb of a reaction.
const LEADS_OF_PERSONS: &[&str] = &[
    "Dude",
    "Quit saying",
    "Quite",
    "Marisa",
    "Adorable",
    "Adore",
    "J'adore",
    "Gracias",
    "Gracias por",
    "Frag Mama",
    "Frage",
    "Fragen zu",
    "Liebe Oma",
    "Lieber Max",
    "Herzlich",
    "Hervorragend",
    "Retired",
    "Retire",
    "Eliminate",
    "Exclamation",
    "Interrogation",
    "Grinning",
    "Corazón",
    "Encantado",
    "Beton",
    "Nicht",
    "Nie",
    "Niet",
    "Geweldig",
    "Leuk",
    "Vraag",
    "Suka",
    "Reagan",
    "Removed",
    "Removed my joke",
    "Kochanie",
    "Amore",
    "Cuore mio",
    "Dudley",
    "Dudo",
    "Mag sein",
    "Liebt dich",
    "Gusta mucho",
    "Lubi cię bardzo",
    "Magst du",
    "Oma liebt",
    "Mamá adoró",
    "Papa lacht über",
    "Danke für",
    "Danke für das",
    "Später",
    "Tschüss",
    "Mañana",
    "Gracias por el mensaje según",
    "Спасибо за",
    "Вопрос",
    "Сердце моё",
    "Мама",
    "Не",
    "小心",
    "谢谢",
    "笑死",
    "妈妈喜欢",
    "爱你",
    "疑问",
    "ありがとう",
    "質問",
    "질문",
    "사랑해",
    "Φίλε τι",
    "Είναι για",
    "תודה",
    "شكرا على",
    "ขอบคุณ",
    "Me gustaría",
    "Curtis",
    "Riusciamo a",
];

#[test]
fn words_that_only_resemble_a_verb_are_no_reaction() {
    let long = "See you tonight at eight, or a little later";
    for lead in LEADS_OF_PERSONS {
        for (quoted, marks) in [(TEXT, ["“", "”"]), ("ok", ["„", "“"]), (long, ["«", "»"])]
        {
            let [open, close] = marks;
            let text = format!("{lead} {open}{quoted}{close}");
            assert_eq!(over_sms(&text, &["ok", TEXT, long]), None, "{text}");
        }
    }
    for tail in [
        "わかりました",
        "を見ました",
        "了解しました",
        "좋아",
        "赞",
        "讚",
        "사랑해",
        "ok 👍",
    ] {
        let text = format!("「{TEXT}」{tail}");
        assert_eq!(over_sms(&text, &[TEXT]), None, "{text}");
    }
}

#[test]
fn only_a_small_word_may_be_beside_an_emoji_without_a_verb() {
    for lead in [
        "😂 remember",
        "🙄 classic",
        "😂 omg",
        "😂 wow",
        "😂 so",
        "😂 für",
        "Mom 😂",
        "😂 you and me",
        "Wow 😂",
        "😂 mom",
        "😂 me",
        "Haha 😂 de",
        "Removed my 😂 from",
        "Reagan 😂",
        "😂 спасибо",
        "Mein 👍 an",
    ] {
        for quoted in [TEXT, "ok"] {
            let text = format!("{lead} “{quoted}”");
            assert_eq!(over_sms(&text, &["ok", TEXT]), None, "{text}");
        }
    }
    for lead in ["😂", "😂 ke", "😂 u", "😂 към", "😂 về"] {
        let found = meaning(over_sms(&format!("{lead} “{TEXT}”"), &[TEXT]));
        assert_eq!(found, Some((Added, Emoji, Some("😂".to_owned()))), "{lead}");
    }
}

#[test]
fn an_emoji_may_be_after_the_quotation() {
    for text in [
        "Hat auf „{}“ mit 👍🏽 reagiert",
        "Reagierte auf „{}“ mit 👍🏽",
        "A réagi à « {} » avec 👍🏽",
        "Reaccionó a “{}” con 👍🏽",
        "Ha reaccionado a “{}” con 👍🏽",
        "Ha reagito a “{}” con 👍🏽",
        "Reagiu a “{}” com 👍🏽",
        "Reagerade på ”{}” med 👍🏽",
        "Reagerte på «{}» med 👍🏽",
        "Heeft op ‘{}’ gereageerd met 👍🏽",
        "Reagoval na „{}“ s 👍🏽",
        "Zareagowano na „{}” 👍🏽",
        "Reagált erre „{}” 👍🏽",
        "Отреагировал на «{}» эмодзи 👍🏽",
        "👍🏽で「{}」にリアクションしました",
        "「{}」に👍🏽でリアクションしました",
        "「{}」に👍🏽のリアクションをしました",
        "用👍🏽回应了“{}”",
    ] {
        let text = text.replace("{}", TEXT);
        let expected = Some((Added, Emoji, Some("👍🏽".to_owned())));
        assert_eq!(meaning(over_sms(&text, &[TEXT])), expected, "{text}");
    }
    for text in [
        "Oma hat auf „{}“ mit 👍 reagiert",
        "Mamá reaccionó a “{}” con 👍",
        "She reacted to “{}” with 👍",
        "Reagierte auf „{}“ ganz schnell mit 👍",
        "Reagierte auf „{}“ mit 👍 und 😂",
        "Hat „{}“ 👍",
        "Remember “{}” with 👍",
    ] {
        let text = text.replace("{}", TEXT);
        assert_eq!(over_sms(&text, &[TEXT]), None, "{text}");
    }
}

#[test]
fn removals_are_recognised_and_a_negated_like_is_a_dislike() {
    for (text, expected) in [
        (
            "Removed 👍 reaction from “{}”",
            (Removed, Emoji, Some("👍")),
        ),
        (
            "Removed a 👍 reaction from “{}”",
            (Removed, Emoji, Some("👍")),
        ),
        (
            "Removed the 👍 reaction from “{}”",
            (Removed, Emoji, Some("👍")),
        ),
        (
            "Ha rimosso la reazione 👍 da “{}”",
            (Removed, Emoji, Some("👍")),
        ),
        ("Odebral 👍 z „{}“", (Removed, Emoji, Some("👍"))),
        ("Eliminó una reacción de “{}”", (Removed, Like, None)),
        ("Odstranil srdce z „{}“", (Removed, Love, None)),
        ("Tidak menyukai “{}”", (Added, Dislike, None)),
        ("Tidak suka dengan “{}”", (Added, Dislike, None)),
        ("Nem kedveli „{}”", (Added, Dislike, None)),
        ("Nie lubi „{}”", (Added, Dislike, None)),
        ("No les gusta “{}”", (Added, Dislike, None)),
        ("Gillar inte ”{}”", (Added, Dislike, None)),
        ("Kan ikke lide ”{}”", (Added, Dislike, None)),
        ("Líbí se „{}“", (Added, Like, None)),
        ("Nelíbí se mu „{}“", (Added, Dislike, None)),
        ("Menyukai “{}”", (Added, Like, None)),
    ] {
        let text = text.replace("{}", TEXT);
        let found = meaning(over_sms(&text, &[TEXT]));
        let (action, kind, emoji) = expected;
        assert_eq!(
            found,
            Some((action, kind, emoji.map(str::to_owned))),
            "{text}"
        );
    }
}

#[test]
fn verbs_of_other_languages_need_the_quoted_text() {
    for (text, kind) in [
        ("Kedveli „{}”", Like),
        ("Lubi „{}”", Like),
        ("Smeje sa na „{}“", Laugh),
        ("Směje se „{}“", Laugh),
        ("Śmieje się z „{}”", Laugh),
        ("Kunne lide ”{}”", Like),
        ("Kan lide ”{}”", Like),
        ("Mag „{}“", Like),
        ("Findet „{}“ gut", Like),
        ("Findet „{}“ nicht gut", Dislike),
        ("Vindt “{}” mooi", Like),
        ("Vindt “{}” niet mooi", Dislike),
        ("Miluje „{}“", Love),
        ("Imádja „{}”", Love),
        ("Нравится «{}»", Like),
        ("Άρεσε το «{}»", Like),
        ("ถูกใจ “{}”", Like),
        ("אהב את ״{}״", Love),
        ("אהבה את \"{}\"", Love),
        ("喜欢〝{}〞", Like),
        ("點讚〝{}〟", Like),
        ("Þótti gaman að „{}“", Like),
    ] {
        let quoted = text.replace("{}", TEXT);
        if quoted.contains('"') {
            assert_eq!(over_sms(&quoted, &[TEXT]), None, "{quoted}");
            continue;
        }
        assert_eq!(
            meaning(over_sms(&quoted, &[TEXT])),
            Some((Added, kind, None)),
            "{quoted}"
        );
        assert_eq!(over_sms(&quoted, &["another text"]), None, "{quoted}");
    }
    for text in [
        "אמא אמרה ״{}״",
        "老师的〝{}〞",
        "Magst „{}“",
        "Findest du „{}“ gut",
        "Findet „{}“ jemand gut",
    ] {
        let text = text.replace("{}", TEXT);
        assert_eq!(over_sms(&text, &[TEXT]), None, "{text}");
    }
}

#[test]
fn some_wordings_are_reactions_even_with_straight_marks_and_without_the_text() {
    for (text, expected) in [
        ("Removed a heart from \"gone\"", (Removed, Love, None)),
        (
            "Removed a question mark from 'gone'",
            (Removed, Question, None),
        ),
        ("Laughed at \"gone\"", (Added, Laugh, None)),
        ("Reacted 👍 to \"gone\"", (Added, Emoji, Some("👍"))),
        ("👍 to \"gone\"", (Added, Emoji, Some("👍"))),
        ("Removed 👍 from \"gone\"", (Removed, Emoji, Some("👍"))),
    ] {
        let found = over_sms(text, &[TEXT]).unwrap();
        assert_eq!(found.target, None, "{text}");
        let (action, kind, emoji) = expected;
        assert_eq!(
            meaning(Some(found)),
            Some((action, kind, emoji.map(str::to_owned))),
            "{text}"
        );
    }
}

#[test]
fn the_invisible_marks_around_an_emoji_prove_a_reaction_in_every_language() {
    for (mark, action) in [('\u{200b}', Added), ('\u{200c}', Removed)] {
        for around in [
            "{} ke “gone”",
            "Ngo {} ku “gone”",
            "{} “gone”",
            "“gone” {} ile",
            "{} sa \"gone\"",
            "{} för ”gone”",
        ] {
            let text = around.replace("{}", &format!("{mark}👩‍🚀{mark}"));
            let found = over_sms(&text, &[TEXT]);
            let expected = Some((action, Emoji, Some("👩‍🚀".to_owned())));
            assert_eq!(meaning(found), expected, "{text:?}");
        }
    }
}
