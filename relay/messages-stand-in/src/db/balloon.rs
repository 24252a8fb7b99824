//! Message rows whose content is in `payload_data`.

use super::NewMessage;
use crate::payload::{POLL_BALLOON, Payload, PollVote, URL_BALLOON};
use crate::typedstream::APP;
use crate::{AppBalloon, Poll, RichLink};

impl NewMessage {
    /// As the row that shows a link. Its text, if it has one, is set apart.
    #[must_use]
    pub fn link(self, link: &RichLink) -> Self {
        self.balloon(URL_BALLOON, link)
    }

    #[must_use]
    pub fn poll(self, poll: &Poll) -> Self {
        self.text(APP).balloon(POLL_BALLOON, poll)
    }

    /// As the poll with the guid `first` after a choice was added: the whole list again.
    #[must_use]
    pub fn added_choice(self, first: impl Into<String>, poll: &Poll) -> Self {
        self.poll(poll).associated(2, first)
    }

    /// As a vote in the poll with the guid `poll`; no votes withdraw those of before.
    #[must_use]
    pub fn vote(self, poll: impl Into<String>, votes: &[PollVote]) -> Self {
        // Votes name the poll without a prefix.
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

    /// As the balloon of an app with this bundle id, whatever its text.
    #[must_use]
    pub fn balloon(self, bundle_id: &str, content: &(impl Payload + ?Sized)) -> Self {
        self.set("balloon_bundle_id", bundle_id.to_owned())
            .set("payload_data", content.payload())
    }
}
