//! Message rows whose content is in `payload_data`.

use super::NewMessage;
use crate::payload::{ADDED_CHOICE_TYPE, POLL_BALLOON, Payload, PollVote, URL_BALLOON, VOTE_TYPE};
use crate::typedstream::APP;
use crate::{AppBalloon, Poll, RichLink};

impl NewMessage {
    /// Makes the row show a link. The row's text is set separately.
    #[must_use]
    pub fn link(self, link: &RichLink) -> Self {
        self.balloon(URL_BALLOON, link)
    }

    #[must_use]
    pub fn poll(self, poll: &Poll) -> Self {
        self.text(APP).balloon(POLL_BALLOON, poll)
    }

    /// Makes the row add a choice to the poll whose first row has the guid `first`. `poll` has all choices.
    #[must_use]
    pub fn added_choice(self, first: impl Into<String>, poll: &Poll) -> Self {
        self.poll(poll).associated(ADDED_CHOICE_TYPE, first)
    }

    /// Makes the row a vote in the poll with the guid `poll`. An empty list withdraws earlier votes.
    #[must_use]
    pub fn vote(self, poll: impl Into<String>, votes: &[PollVote]) -> Self {
        // A vote has the guid of its poll without a prefix.
        self.text(APP)
            .balloon(POLL_BALLOON, votes)
            .associated(VOTE_TYPE, poll)
    }

    #[must_use]
    pub fn app(self, bundle_id: &str, balloon: &AppBalloon) -> Self {
        self.text(APP).balloon(bundle_id, balloon)
    }

    /// Sets the guid of the message to which the row refers, and the type of the reference.
    #[must_use]
    pub fn associated(self, reference_type: i64, guid: impl Into<String>) -> Self {
        self.set("associated_message_guid", guid.into())
            .set("associated_message_type", reference_type)
    }

    /// Sets the app and the content of the balloon. The text is not changed.
    #[must_use]
    pub fn balloon(self, bundle_id: &str, content: &(impl Payload + ?Sized)) -> Self {
        self.set("balloon_bundle_id", bundle_id.to_owned())
            .set("payload_data", content.payload())
    }
}
