//! Describes balloons in words: links, polls and votes, payments, games and other content that apps send.

use std::collections::HashSet;

use super::address;
use crate::read::{AppCard, Payload, RichLink, Row, Vote};

/// The kind of the balloon in a few words, which the posted text of the row begins with or consists of. `None` for a
/// link, which is posted like a text, and for a row without a balloon.
pub(super) fn description(row: &Row) -> Option<&'static str> {
    let id = row.balloon.as_deref()?;
    if row.is_link_balloon() {
        return None;
    }
    Some(if row.is_poll_balloon() {
        "a poll"
    } else if id.contains("Handwriting") {
        "a handwritten message"
    } else if id.contains("DigitalTouch") {
        "a Digital Touch message"
    } else if id.contains("SafetyMonitor") {
        "a Check In"
    } else if id.contains("PeerPayment") {
        "an Apple Pay message"
    } else if id.contains("findmy") || id.contains("FindMy") {
        "a location"
    } else {
        APP_MESSAGE
    })
}

/// The description of a balloon of an unknown app.
const APP_MESSAGE: &str = "a message of an app";

/// Whether the payload of the balloon has words besides its kind.
pub(super) fn has_words(row: &Row) -> bool {
    match &row.payload {
        Some(Payload::Link(link)) => words_of(link).is_some(),
        Some(Payload::Poll(poll)) => poll.title.is_some() || !poll.options.is_empty(),
        Some(Payload::Votes(_)) => true,
        Some(Payload::App(card)) => {
            let description = description(row).unwrap_or(APP_MESSAGE);
            !further_texts(card, description).is_empty()
        }
        None => false,
    }
}

/// The content of the balloon in words, else the text of its row, else `description`. A card of an app and a text that
/// it does not contain are both returned.
pub(super) fn text_or_description(row: &Row, description: &str) -> String {
    let text = row.visible_text();
    let text = text.trim();
    match &row.payload {
        Some(Payload::Poll(_)) if has_words(row) => describe_poll(row),
        Some(Payload::Votes(votes)) => describe_votes(row, votes),
        Some(Payload::App(card)) => {
            let card_text = describe_app(card, description);
            if text.is_empty() || card_text.contains(text) {
                card_text
            } else if has_words(row) {
                format!("{card_text}\n{text}")
            } else {
                text.to_owned()
            }
        }
        _ if text.is_empty() => description.to_owned(),
        _ => row.visible_text(),
    }
}

/// The text, followed by the link that the balloon shows unless the text contains it.
pub(super) fn with_link(row: &Row, text: String) -> String {
    let Some(link) = row.link() else {
        return text;
    };
    match words_of(link) {
        Some(words) if text.trim().is_empty() => words,
        Some(words) if !contains_link(&text, link) => format!("{text}\n{words}"),
        _ => text,
    }
}

/// Whether the row shows a link without text and title. Such a link is posted as its address alone, and Messages may add
/// the title later.
pub(super) fn awaits_title(row: &Row) -> bool {
    row.visible_text().trim().is_empty()
        && row
            .link()
            .is_some_and(|link| link.address().is_some() && link.title.is_none())
}

/// Whether the row shows a link with a title.
pub(super) fn has_title(row: &Row) -> bool {
    row.link().is_some_and(|link| link.title.is_some())
}

/// The address and the title of a link; `None` if it has neither.
fn words_of(link: &RichLink) -> Option<String> {
    match (link.address(), link.title.as_deref()) {
        (Some(url), Some(title)) if title != url => Some(format!("{url}\n{title}")),
        (Some(words), _) | (None, Some(words)) => Some(words.to_owned()),
        (None, None) => None,
    }
}

/// Whether a text contains the link of its balloon. Any web address counts, since the two may be written
/// differently. A word without a scheme is an address if it begins with a domain, and has a path or names the site of
/// the link.
fn contains_link(text: &str, link: &RichLink) -> bool {
    let sites = [&link.url, &link.original_url].map(|url| url.as_deref().map(site));
    text.split_whitespace().any(|word| {
        let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        let site = site(word);
        let is_domain = site.rsplit_once('.').is_some_and(|(name, end)| {
            !name.is_empty() && end.chars().count() >= 2 && end.chars().all(char::is_alphabetic)
        });
        let has_path = word.contains('/');
        word.contains("://") || (is_domain && (has_path || sites.contains(&Some(site))))
    })
}

/// The site of an address: its host without `www.`, in lower case.
fn site(address: &str) -> String {
    let (_, rest) = address.split_once("://").unwrap_or(("", address));
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let host = host.trim_end_matches(|c: char| !c.is_alphanumeric());
    let host = host.to_lowercase();
    host.strip_prefix("www.").unwrap_or(&host).to_owned()
}

/// The kind of a card with the name of its app, followed by its other texts.
fn describe_app(card: &AppCard, description: &str) -> String {
    let name = card.name.as_deref().filter(|_| description == APP_MESSAGE);
    let title = match name {
        Some(name) => format!("{description} ({name})"),
        None => description.to_owned(),
    };
    let words = further_texts(card, description);
    if words.is_empty() {
        title
    } else {
        format!("{title}: {}", words.join(", "))
    }
}

/// The texts of a card, without those that repeat its kind, its app, or another text. The text that is read aloud often
/// repeats the captions. A kind at the beginning of a text is left out: `Check In: Timer Started`.
fn further_texts<'c>(card: &'c AppCard, description: &str) -> Vec<&'c str> {
    let (_, noun) = description.split_once(' ').unwrap_or_default();
    let known = [Some(noun), card.name.as_deref()].into_iter().flatten();
    let known: Vec<String> = known.map(plain).collect();
    let mut lines: Vec<&str> = Vec::new();
    for line in card.spoken.iter().chain(&card.captions) {
        let after_noun = line
            .strip_prefix(noun)
            .and_then(|rest| rest.strip_prefix(':'));
        let line = after_noun.unwrap_or(line).trim();
        let is_repeated = lines
            .iter()
            .any(|earlier| plain(earlier).contains(&plain(line)));
        if !line.is_empty() && !is_repeated && !known.contains(&plain(line)) {
            lines.push(line);
        }
    }
    lines
}

/// A text in the form in which it is compared: apps use non-breaking spaces between words.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ").to_lowercase()
}

/// Describes a poll, or the choices that a row adds to one.
fn describe_poll(row: &Row) -> String {
    let Some(Payload::Poll(poll)) = &row.payload else {
        return String::new();
    };
    let texts = || poll.options.iter().map(|option| option.text.as_str());
    let Some(before) = row
        .poll
        .as_ref()
        .filter(|_| row.guid_of_extended_poll().is_some())
    else {
        return poll_with_options("a poll", poll.title.as_deref(), texts());
    };
    let known_ids: HashSet<&str> = before
        .options
        .iter()
        .map(|option| option.id.as_str())
        .collect();
    let added: Vec<&str> = poll
        .options
        .iter()
        .filter(|option| !known_ids.contains(option.id.as_str()))
        .map(|option| option.text.as_str())
        .collect();
    let title = poll.title.as_deref().or(before.title.as_deref());
    match added.as_slice() {
        [] => poll_with_options("changed a poll", title, texts()),
        _ if known_ids.is_empty() => poll_with_options("added a choice to a poll", title, texts()),
        [one] => format!("added a choice to {}: {one}", poll_name(title)),
        several => format!(
            "added choices to {}: {}",
            poll_name(title),
            several.join(", ")
        ),
    }
}

/// `what`, followed by the title and the options of the poll, if there are any.
fn poll_with_options<'a>(
    what: &str,
    title: Option<&str>,
    options: impl Iterator<Item = &'a str>,
) -> String {
    let options = options.collect::<Vec<_>>().join(", ");
    match (title, options.is_empty()) {
        (Some(title), false) => format!("{what}: \u{201c}{title}\u{201d} Options: {options}"),
        (Some(title), true) => format!("{what}: \u{201c}{title}\u{201d}"),
        (None, false) => format!("{what}. Options: {options}"),
        (None, true) => what.to_owned(),
    }
}

fn poll_name(title: Option<&str>) -> String {
    match title {
        Some(title) => format!("the poll \u{201c}{title}\u{201d}"),
        None => "a poll".to_owned(),
    }
}

/// Describes the votes of a row. Each row of votes has all choices that its sender has made in the poll by then.
fn describe_votes(row: &Row, votes: &[Vote]) -> String {
    let poll = row.poll.as_ref();
    let poll_name = poll_name(poll.and_then(|poll| poll.title.as_deref()));
    // A row usually has the votes of its sender only. If it also has votes of other persons, those are not new.
    let by_sender: Vec<&Vote> = votes
        .iter()
        .filter(|vote| is_of_sender(row, vote))
        .collect();
    let votes = match by_sender.as_slice() {
        // A vote without a person is the sender's. An own row with only the votes of others means that
        // the owner's vote was withdrawn.
        [] if row.is_from_me => votes.iter().filter(|vote| voter(vote).is_none()).collect(),
        [] => votes.iter().collect(),
        _ => by_sender,
    };
    if votes.is_empty() {
        return format!("withdrew the vote in {poll_name}");
    }
    let options = poll.map(|poll| poll.options.as_slice()).unwrap_or_default();
    let mut chosen: Vec<&str> = Vec::new();
    for vote in &votes {
        let option = options.iter().find(|option| option.id == vote.option);
        let text = option.map_or("an unknown choice", |option| option.text.as_str());
        if !chosen.contains(&text) {
            chosen.push(text);
        }
    }
    if chosen == ["an unknown choice"] {
        return format!("voted in {poll_name}");
    }
    format!("voted in {poll_name}: {}", chosen.join(", "))
}

/// The address of the person who voted, in its normal form.
fn voter(vote: &Vote) -> Option<String> {
    vote.participant.as_deref().and_then(address::normal_form)
}

/// Whether `vote` has the address of the sender of `row`. The handle of an own row in a direct chat is the peer's, so
/// it is not used: a vote in an own row is the owner's if its address is the row's own address, or
/// is not that of another member of the chat.
fn is_of_sender(row: &Row, vote: &Vote) -> bool {
    let Some(voter) = voter(vote) else {
        return false;
    };
    if !row.is_from_me {
        return row.handle.as_ref() == Some(&voter);
    }
    let is_member = row
        .chat
        .as_ref()
        .is_some_and(|chat| chat.has_member(&voter));
    !is_member
        || [&row.line, &row.account]
            .into_iter()
            .any(|own| own.as_ref() == Some(&voter))
}
