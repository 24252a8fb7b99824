//! Tables of the words by which reactions and edit notices are recognised.

mod media;
mod reactions;
mod stems;

pub(crate) use media::Media;
pub(super) use reactions::WORDINGS;
pub(super) use stems::{
    DENIALS, EDIT_STEMS, GENERIC_NAMES, PARTICLES, REACTIONS, REACTIONS_AFTER_QUOTE, REMOVALS,
    REMOVALS_AFTER_QUOTE, SPEECH_STEMS, Stems, TAPBACK_NAMES, VERBS, VERBS_AFTER_QUOTE,
    WORDS_AFTER_VERBS, WORDS_BEFORE_VERBS, contain, is_european, is_personal, is_speech_opener,
};
