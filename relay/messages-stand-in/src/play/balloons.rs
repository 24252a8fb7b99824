//! From what a message step says of a balloon to its bundle id, payload and target.

use super::{PlayError, Player};
use crate::guid::is_guid;
use crate::payload::{
    AppBalloon, POLL_BALLOON, Poll, PollOption, PollVote, RichLink, URL_BALLOON, UrlClass,
    votes_payload,
};
use crate::script::{BalloonSpec, LinkSpec, MessageStep, OptionSpec, PollSpec, UrlIs};

/// What the balloon puts into the row.
#[derive(Debug, Default)]
pub(super) struct Balloon {
    /// `balloon_bundle_id`, unless the step names another.
    pub(super) bundle_id: Option<&'static str>,
    pub(super) payload: Vec<u8>,
    /// `associated_message_type` and `associated_message_guid`.
    pub(super) associated: Option<(i64, String)>,
}

impl Player {
    /// The balloon of a step; `None` if it has no content.
    pub(super) fn balloon(&self, step: &MessageStep) -> Result<Option<Balloon>, PlayError> {
        let sender = match step.from.as_deref() {
            Some("me") | None => step.line.as_deref().unwrap_or(self.db.line()),
            Some(address) => address,
        };
        if let Some(link) = &step.link {
            return Ok(Some(Balloon {
                bundle_id: Some(URL_BALLOON),
                payload: rich_link(link).payload(),
                associated: None,
            }));
        }
        if let Some(spec) = &step.poll {
            let first = spec.adds_to.as_ref().map(|first| self.guid(first));
            return Ok(Some(Balloon {
                bundle_id: Some(POLL_BALLOON),
                payload: poll(spec, sender).payload(),
                associated: first.transpose()?.map(|first| (2, first)),
            }));
        }
        if let Some(vote) = &step.vote {
            let votes = vote.options.iter().map(|option| PollVote {
                option: if is_guid(option) {
                    option.clone()
                } else {
                    PollOption::id_of(option)
                },
                voter: sender.to_owned(),
            });
            let votes: Vec<PollVote> = votes.collect();
            return Ok(Some(Balloon {
                bundle_id: Some(POLL_BALLOON),
                payload: votes_payload(&votes),
                associated: Some((4000, self.guid(&vote.on)?)),
            }));
        }
        Ok(step.balloon.as_ref().map(|spec| Balloon {
            payload: app_balloon(spec).payload(),
            ..Balloon::default()
        }))
    }
}

/// Whether a row of this kind has U+FFFD as its text.
pub(super) fn stands_for_an_app(step: &MessageStep) -> bool {
    step.poll.is_some() || step.vote.is_some() || step.balloon.is_some()
}

fn rich_link(spec: &LinkSpec) -> RichLink {
    RichLink {
        url: spec.url.clone(),
        original_url: spec.original.clone(),
        title: spec.title.clone(),
        class: match spec.stored {
            UrlIs::Url => UrlClass::Url,
            UrlIs::Text => UrlClass::Text,
        },
    }
}

fn poll(spec: &PollSpec, sender: &str) -> Poll {
    let creator = spec.by.as_deref().unwrap_or(sender);
    let options = spec.options.iter().map(|option| match option {
        OptionSpec::Text(text) => PollOption::new(text, creator),
        OptionSpec::Whole { text, id, by } => {
            let option = PollOption::new(text, by.as_deref().unwrap_or(creator));
            PollOption {
                id: id.clone().unwrap_or(option.id),
                ..option
            }
        }
    });
    Poll {
        title: spec.title.clone(),
        creator: Some(creator.to_owned()),
        options: options.collect(),
    }
}

fn app_balloon(spec: &BalloonSpec) -> AppBalloon {
    AppBalloon {
        app: spec.name.clone(),
        spoken: spec.spoken.clone(),
        caption: spec.caption.clone(),
        subcaption: spec.subcaption.clone(),
        url: spec.url.clone(),
    }
}
