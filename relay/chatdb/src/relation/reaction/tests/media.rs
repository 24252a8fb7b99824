use shared_protocol::TapbackKind::{Emoji, Emphasize, Laugh, Like, Love};

use crate::relation::reaction::{Channel, Media, PossibleReaction};

#[test]
fn over_sms_a_reaction_to_media_has_a_name_instead_of_a_quotation() {
    for (text, kind, media) in [
        ("Loved an image", Love, Media::Image),
        ("Liked a movie", Like, Media::Video),
        ("Laughed at an attachment", Laugh, Media::Any),
        ("Emphasized an audio message", Emphasize, Media::Audio),
        ("Removed a heart from an image", Love, Media::Image),
        ("Emphasized 2 images", Emphasize, Media::Image),
        ("Loved 12 videos", Love, Media::Video),
        ("Liked a contact card", Like, Media::Any),
        ("Reacted 😮 to a location", Emoji, Media::Any),
        ("Reacted 🎉 to a photo", Emoji, Media::Image),
        ("Liked a link", Like, Media::Link),
        ("Loved 2 links", Love, Media::Link),
        ("Emphasized a Memoji", Emphasize, Media::Any),
        ("Loved a Digital Touch message", Love, Media::Balloon),
        ("Removed a heart from a Memoji", Love, Media::Any),
        ("写真に「いいね！」しました", Like, Media::Image),
        ("リンクにいいねしました", Like, Media::Link),
        ("\u{200b}👍\u{200b} ke “”", Emoji, Media::Any),
        ("\u{200b}👍\u{200b} to an image ", Emoji, Media::Image),
        ("Le encantó una imagen", Love, Media::Image),
        ("A adoré une image", Love, Media::Image),
        ("Gefällt ein Bild", Like, Media::Image),
        (
            "Hat ein Bild mit „Gefällt mir“ markiert",
            Like,
            Media::Image,
        ),
        // The quoted message is only a file, whose placeholder is left out of the text.
        ("Loved “”", Love, Media::Any),
        ("👍 to “\u{200a}\u{200a}”", Emoji, Media::Any),
    ] {
        let possible = PossibleReaction::of(text, Channel::WithoutReactions).unwrap();
        assert_eq!(possible.media(), Some(media), "{text}");
        let found = possible.about_media("P").unwrap();
        assert_eq!(
            (found.kind, found.target.as_deref()),
            (kind, Some("P")),
            "{text}"
        );
        assert_eq!(possible.without_target().unwrap().target, None, "{text}");
        let over_imessage = PossibleReaction::of(text, Channel::WithReactions);
        assert!(
            over_imessage.is_none_or(|over_imessage| over_imessage.media().is_none()),
            "{text}"
        );
    }
}
