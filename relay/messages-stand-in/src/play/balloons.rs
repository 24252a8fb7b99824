//! Sets the columns of a message row whose content is a balloon: a link, a poll, a vote, or the texts of an app.

use super::Player;
use crate::payload::{ADDED_CHOICE_TYPE, POLL_BALLOON, Payload, PollVote, URL_BALLOON, VOTE_TYPE};
use crate::script::{MessageStep, is_guid};
use crate::{Error, NewMessage, Poll, PollOption};

impl Player {
    /// Adds the step's balloon to the row, if the step has one. A bundle id in the step's `app` replaces the
    /// bundle id that this kind of balloon has.
    pub(super) fn with_balloon(
        &self,
        row: NewMessage,
        step: &MessageStep,
    ) -> Result<NewMessage, Error> {
        let sender = match step.from.as_deref() {
            Some("me") | None => step.line.as_deref().unwrap_or(self.db.own_address()),
            Some(address) => address,
        };
        let row = if let Some(link) = &step.link {
            row.balloon(URL_BALLOON, link)
        } else if let Some(poll) = &step.poll {
            let row = row.balloon(POLL_BALLOON, &with_creators(poll.clone(), sender));
            match &poll.adds_to {
                Some(first) => row.associated(ADDED_CHOICE_TYPE, self.guid(first)?),
                None => row,
            }
        } else if let Some(vote) = &step.vote {
            // The script names an option by its id or by its text.
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
                .associated(VOTE_TYPE, self.guid(&vote.on)?)
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

/// Whether the step has content of an app: a poll, a vote or an app's balloon. The body of such a row is the
/// placeholder of app content, unless the script gives a text or attachments.
pub(super) fn has_app_content(step: &MessageStep) -> bool {
    step.poll.is_some() || step.vote.is_some() || step.balloon.is_some()
}

/// The poll with `sender` as the creator of itself and of each option, where the script gives none.
fn with_creators(mut poll: Poll, sender: &str) -> Poll {
    let creator = poll.creator.get_or_insert_with(|| sender.to_owned());
    for option in &mut poll.options {
        option.creator.get_or_insert_with(|| creator.clone());
    }
    poll
}
