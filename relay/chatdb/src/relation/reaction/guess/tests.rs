use shared_protocol::TapbackAction::Added;
use shared_protocol::TapbackKind::Emoji;

use crate::relation::reaction::tests::{TEXT, over_sms, said};

#[test]
fn parts_of_words_tell_nothing() {
    const LEADS: &[&str] = &[
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
    let long = "See you tonight at eight, or a little later";
    for lead in LEADS {
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
fn beside_an_emoji_stands_a_particle_or_nothing() {
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
        let found = said(over_sms(&format!("{lead} “{TEXT}”"), &[TEXT]));
        assert_eq!(found, Some((Added, Emoji, Some("😂".to_owned()))), "{lead}");
    }
}
