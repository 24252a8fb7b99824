//! Tables of the words around the quoted text in reactions and edit notices.

mod media;
mod reactions;
mod stems;

pub(crate) use media::Media;
pub(super) use reactions::WORDINGS;
pub(super) use stems::{
    EDIT_PARTS, EMOJI_VERBS_AFTER_QUOTE, EMOJI_VERBS_BEFORE_QUOTE, NAMES_OF_REACTIONS, NEGATIONS,
    PARTICLES, REMOVAL_VERBS, REMOVAL_VERBS_AFTER_QUOTE, SPEECH_PARTS, Stems, VERBS_AFTER_QUOTE,
    VERBS_BEFORE_QUOTE, WORDS_AFTER_VERB, WORDS_BEFORE_VERB, WORDS_FOR_REACTION, contains_any_part,
    is_european, is_first_word_of_persons, is_word_of_persons,
};
