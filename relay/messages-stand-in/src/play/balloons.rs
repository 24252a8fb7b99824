//! Sets the columns of a row that has a balloon.

use super::Player;
use crate::payload::{POLL_BALLOON, Payload, PollVote, URL_BALLOON};
use crate::script::{MessageStep, is_guid};
use crate::{Error, NewMessage, Poll, PollOption};

impl Player {
    /// Adds the balloon of the step to the row, if the step has one. `app` replaces the bundle id.
    pub(super) fn with_balloon(
        &self,
        row: NewMessage,
        step: &MessageStep,
    ) -> Result<NewMessage, Error> {
        let sender = match step.from.as_deref() {
            Some("me") | None => step.line.as_deref().unwrap_or(self.db.line()),
            Some(address) => address,
        };
        let row = if let Some(link) = &step.link {
            row.balloon(URL_BALLOON, link)
        } else if let Some(poll) = &step.poll {
            let row = row.balloon(POLL_BALLOON, &with_creators(poll.clone(), sender));
            match &poll.adds_to {
                Some(first) => row.associated(2, self.guid(first)?),
                None => row,
            }
        } else if let Some(vote) = &step.vote {
            let votes = vote.options.iter().map(|option| PollVote {
                option: if is_guid(option) {
                    option.clone()
                } else {
                    PollOption::id_of(option)
                },
                voter: sender.to_owned(),
            });
            let votes: Vec<PollVote> = votes.collect();
            row.balloon(POLL_BALLOON, votes.as_slice())
                .associated(4000, self.guid(&vote.on)?)
        } else if let Some(balloon) = &step.balloon {
            row.set("payload_data", balloon.payload())
        } else {
            row
        };
        Ok(match &step.app {
            Some(app) => row.set("balloon_bundle_id", app.clone()),
            None => row,
        })
    }
}

/// Whether the text of the row is the placeholder of an app's content.
pub(super) fn has_app_placeholder(step: &MessageStep) -> bool {
    step.poll.is_some() || step.vote.is_some() || step.balloon.is_some()
}

/// The poll with a creator for itself and for each option.
fn with_creators(mut poll: Poll, sender: &str) -> Poll {
    let creator = poll.creator.get_or_insert_with(|| sender.to_owned());
    for option in &mut poll.options {
        option.creator.get_or_insert_with(|| creator.clone());
    }
    poll
}
