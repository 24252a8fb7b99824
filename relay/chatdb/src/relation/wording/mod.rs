//! Tables of the words by which reactions and edit notices are recognised.

mod media;
mod reactions;
mod stems;

pub(crate) use media::Media;
pub(super) use reactions::WORDINGS;
pub(super) use stems::{
    BEFORE_VERBS, BEHIND_VERBS, DENIALS, EDIT_STEMS, NAMES, PARTICLES, REACTION_NAMES, REACTIONS,
    REACTIONS_BEHIND, REMOVALS, REMOVALS_BEHIND, SPEECH_STEMS, Stems, VERBS, VERBS_BEHIND,
    begins_speech, contain, is_european, is_personal,
};
