//! The words by which reactions and notices of edits are recognised, in tables.

mod media;
mod reactions;
mod stems;

pub(super) use media::MEDIA;
pub(crate) use media::Media;
pub(super) use reactions::WORDINGS;
pub(super) use stems::{
    EDIT_STEMS, REMOVAL_STEMS, SPEECH_STEMS, STEMS, TAIL_STEMS, begins_speech, occur,
};
