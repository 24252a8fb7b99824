//! Message rows whose content is in `payload_data`.

use super::NewMessage;
use crate::payload::{POLL_BALLOON, Payload, PollVote, URL_BALLOON};
use crate::typedstream::APP;
use crate::{AppBalloon, Poll, RichLink};

impl NewMessage {
    /// Makes the row a link's. A text of the row is set separately.
    #[must_use]
    pub fn link(self, link: &RichLink) -> Self {
        self.balloon(URL_BALLOON, link)
    }

    #[must_use]
    pub fn poll(self, poll: &Poll) -> Self {
        self.text(APP).balloon(POLL_BALLOON, poll)
    }

    /// Makes the row add a choice to the poll whose first row is `first`. `poll` has the whole list.
    #[must_use]
    pub fn added_choice(self, first: impl Into<String>, poll: &Poll) -> Self {
        self.poll(poll).associated(2, first)
    }

    /// Makes the row a vote in the poll with the guid `poll`. An empty list withdraws earlier votes.
    #[must_use]
    pub fn vote(self, poll: impl Into<String>, votes: &[PollVote]) -> Self {
        // A vote has the guid of its poll without a prefix.
        self.text(APP)
            .balloon(POLL_BALLOON, votes)
            .associated(4000, poll)
    }

    #[must_use]
    pub fn app(self, bundle_id: &str, balloon: &AppBalloon) -> Self {
        self.text(APP).balloon(bundle_id, balloon)
    }

    #[must_use]
    pub fn associated(self, kind: i64, guid: impl Into<String>) -> Self {
        self.set("associated_message_guid", guid.into())
            .set("associated_message_type", kind)
    }

    /// Sets the app and the content of the balloon. The text is not changed.
    #[must_use]
    pub fn balloon(self, bundle_id: &str, content: &(impl Payload + ?Sized)) -> Self {
        self.set("balloon_bundle_id", bundle_id.to_owned())
            .set("payload_data", content.payload())
    }
}
