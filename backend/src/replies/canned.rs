//! A responder that answers from a table, for development, the demo and benches.

use super::responder::{Answering, Reply, Responder, TurnContext};

/// Texts in lower case, and the bubbles that answer them.
const TABLE: [(&str, &[&str]); 6] = [
    ("hi", &["Hi!", "How can I help?"]),
    ("hello", &["Hello!", "How can I help?"]),
    ("ping", &["pong"]),
    ("how are you?", &["Very well, thank you."]),
    ("thanks", &["Any time."]),
    ("silence", &[]),
];

/// Answers from a table. `<n> bubbles` gets that many; any other text is repeated.
pub struct Canned;

impl Responder for Canned {
    fn answer<'a>(&'a self, turn: &'a TurnContext) -> Answering<'a> {
        Box::pin(async move {
            let newest = turn.messages.iter().rfind(|message| message.is_unanswered);
            let text = newest.map_or("", |message| message.text.trim());
            Ok(Reply {
                bubbles: answer(text),
            })
        })
    }
}

fn answer(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    if let Some((_, bubbles)) = TABLE.iter().find(|(asked, _)| *asked == lower) {
        return bubbles.iter().map(|&text| text.to_owned()).collect();
    }
    let count = lower.strip_suffix(" bubbles").and_then(|n| n.parse().ok());
    if let Some(count @ 1..=10) = count {
        return (1..=count).map(|n| format!("{n} of {count}")).collect();
    }
    if text.is_empty() {
        return vec!["I see.".to_owned()];
    }
    vec![format!("You said: {text}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_count_decide() {
        assert_eq!(answer("Hello"), ["Hello!", "How can I help?"]);
        assert_eq!(answer("3 bubbles"), ["1 of 3", "2 of 3", "3 of 3"]);
        assert_eq!(answer("99 bubbles"), ["You said: 99 bubbles"]);
        assert_eq!(answer("silence"), Vec::<String>::new());
        assert_eq!(answer(""), ["I see."]);
    }
}
