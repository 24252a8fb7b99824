//! Reads the title and the options of a poll, and the votes in a poll.
//!
//! The payload's `URL` is `data:,`, then the base64 of JSON, then a query. The JSON is `{version,
//! item}`. The item of a poll has `title` and `orderedPollOptions`, that of a vote has `votes`.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use hex::FromHex;
use serde_json::Value;

use super::{Archived, Payload, clipped};

/// Larger JSON is not read. A poll has about a dozen options, whose JSON is far smaller.
const MAX_JSON_BYTES: usize = 256 * 1024;
/// Most options of a poll, or votes of a row, that are read.
pub(super) const MAX_OPTIONS: usize = 100;

/// A poll, with all options so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Poll {
    /// The question. Many polls have the question in a separate text message instead.
    pub title: Option<String>,
    /// The options, in the order in which they are shown.
    pub options: Vec<PollOption>,
}

/// An option of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollOption {
    /// The id by which votes name the option.
    pub id: String,
    /// The words of the option.
    pub text: String,
}

/// A poll, put together from its rows in chat.db.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPoll {
    /// `message.guid` of the first row of the poll.
    pub guid: String,
    /// The question.
    pub title: Option<String>,
    /// The options in the order in which they were added. If the poll was put together for a row that adds options, only
    /// those that were added before.
    pub options: Vec<PollOption>,
}

/// The choice of one option by one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// [`PollOption::id`] of the chosen option.
    pub option: String,
    /// Address of the person who chose it.
    pub participant: Option<String>,
}

/// The poll, or the votes, in the payload with this root object.
pub(super) fn read(root: Archived<'_>) -> Option<Payload> {
    let json = json(&root.get("URL")?.url()?)?;
    let json: Value = serde_json::from_slice(&json).ok()?;
    let item = json.get("item").unwrap_or(&json);
    if let Some(options) = item.get("orderedPollOptions") {
        let poll = Poll {
            title: words(item, "title"),
            options: entries(options, option),
        };
        return (poll != Poll::default()).then_some(Payload::Poll(poll));
    }
    let votes = item.get("votes")?;
    let read = entries(votes, vote);
    // An empty list withdraws the vote. A list whose entries cannot be read does not.
    let is_withdrawn = votes.as_array().is_some_and(Vec::is_empty);
    (is_withdrawn || !read.is_empty()).then_some(Payload::Votes(read))
}

/// The JSON between `data:,` and the query; `None` if it is too long or not in base64.
fn json(url: &str) -> Option<Vec<u8>> {
    const ANY_PADDING: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, ANY_PADDING);
    let (_, data) = url.strip_prefix("data:")?.split_once(',')?;
    let data = data.split(['?', '#']).next()?;
    if data.len() > MAX_JSON_BYTES * 4 / 3 {
        return None;
    }
    let mut symbols = Vec::with_capacity(data.len());
    let mut rest = data.as_bytes();
    while let [symbol, after @ ..] = rest {
        // A URL may have percent escapes, or use the base64 alphabet for URLs.
        let (symbol, after) = match (symbol, after) {
            (b'%', [high, low, after @ ..]) => (<[u8; 1]>::from_hex([*high, *low]).ok()?[0], after),
            (b'-', _) => (b'+', after),
            (b'_', _) => (b'/', after),
            _ => (*symbol, after),
        };
        symbols.push(symbol);
        rest = after;
    }
    BASE64.decode(symbols).ok()
}

/// The first entries of a JSON array that `read` can read.
fn entries<T>(list: &Value, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(read).take(MAX_OPTIONS).collect()
}

fn option(option: &Value) -> Option<PollOption> {
    Some(PollOption {
        id: words(option, "optionIdentifier")?,
        text: words(option, "text").or_else(|| words(option, "attributedText"))?,
    })
}

fn vote(vote: &Value) -> Option<Vote> {
    Some(Vote {
        option: words(vote, "voteOptionIdentifier")?,
        participant: words(vote, "participantHandle"),
    })
}

/// The text under `key`, clipped; `None` if it is empty.
fn words(object: &Value, key: &str) -> Option<String> {
    clipped(object.get(key)?.as_str()?)
}
