//! U+0000, which JSON and SQLite can hold and Postgres cannot.
//!
//! Messages can produce it, so refusing it would park a real message for ever. It is stored as U+FFFD
//! on both databases, and everything stored is still one readable text.

use shared_protocol::Message;

/// Replaces every U+0000 in what will be stored. `body` is the JSON that the message was read from:
/// without an escape in it there is nothing to look for.
pub(super) fn replace(message: &mut Message, body: &[u8]) {
    let escape = br"\u0000";
    if !body.windows(escape.len()).any(|window| window == escape) {
        return;
    }
    let attachments = message.attachments.iter_mut().flat_map(|attachment| {
        [
            Some(&mut attachment.guid),
            attachment.mime_type.as_mut(),
            attachment.name.as_mut(),
        ]
    });
    let tapback = message
        .tapback
        .iter_mut()
        .flat_map(|tapback| [tapback.target_guid.as_mut(), tapback.emoji.as_mut()]);
    let fields = [
        Some(&mut message.chat_guid),
        Some(&mut message.text),
        message.message_guid.as_mut(),
        message.service.as_mut(),
        message.reply_to_guid.as_mut(),
        message.effect.as_mut(),
        message.persona_id.as_mut(),
    ];
    let participants = message.participants.iter_mut().map(Some);
    for text in attachments
        .chain(tapback)
        .chain(fields)
        .chain(participants)
        .flatten()
        .filter(|text| text.contains('\0'))
    {
        *text = text.replace('\0', "\u{fffd}");
    }
}
