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

/// Answers from a table. A text that ends with `<n> bubbles` gets that many, each with the words before the number;
/// any other text is repeated.
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
    if let Some(asked) = text.strip_suffix(" bubbles") {
        let number_at = asked.rfind(' ').map_or(0, |space| space + 1);
        let (words, number) = asked.split_at(number_at);
        if let Ok(count @ 1..=10) = number.parse::<u32>() {
            return (1..=count)
                .map(|n| format!("{words}{n} of {count}"))
                .collect();
        }
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
        assert_eq!(
            answer("question 7: 2 bubbles"),
            ["question 7: 1 of 2", "question 7: 2 of 2"]
        );
        assert_eq!(answer("99 bubbles"), ["You said: 99 bubbles"]);
        assert_eq!(answer("silence"), Vec::<String>::new());
        assert_eq!(answer(""), ["I see."]);
    }
}
