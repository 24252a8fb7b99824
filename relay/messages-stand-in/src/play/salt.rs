//! Guids of one play of a script: they are derived from the script's names and a salt.
//!
//! Without a salt the same script gives the same guids each time. With a salt, messages and attachments
//! get other guids, so that the script can be played again for a reader that knows the guids of the first
//! play. A message that is only referred to, because the database never had it, keeps its guid.

use std::collections::HashSet;

use rusqlite::Connection;

use crate::script::{Label, Step, is_guid};
use crate::{Attachment, ChatDb, Error, Script};

/// Makes the guids of one play.
#[derive(Debug)]
pub(super) struct GuidSalt {
    /// The salt; empty for guids without a salt.
    word: String,
    /// The guids that the script gives to messages.
    script_guids: HashSet<String>,
}

impl GuidSalt {
    pub(super) fn new(script: &Script, word: &str) -> Self {
        let guids = script.steps.iter().filter_map(|timed| match &timed.step {
            Step::Message(message) => message.guid.clone(),
            _ => None,
        });
        Self {
            word: word.to_owned(),
            script_guids: guids.collect(),
        }
    }

    pub(super) fn with_word(mut self, word: String) -> Self {
        self.word = word;
        self
    }

    /// The guid of a new message to which the script gives a name and no guid.
    pub(super) fn guid_of_new(&self, label: &Label) -> String {
        if self.word.is_empty() {
            return label.guid();
        }
        salted_guid(&self.word, &label.0)
    }

    /// The guid of a message that is not in the database.
    pub(super) fn guid_of_absent(&self, label: &Label) -> String {
        if self.script_guids.contains(&label.0) {
            self.salted(label.0.clone())
        } else if is_guid(&label.0) {
            label.0.clone()
        } else {
            self.guid_of_new(label)
        }
    }

    /// A text that ends with a guid which the script gives to a message: the same text with that guid salted. Any
    /// other text stays as it is.
    pub(super) fn salted(&self, text: String) -> String {
        // `p:0/GUID`, `bp:GUID`
        let (prefix, guid) = text
            .rsplit_once(['/', ':'])
            .map_or(("", text.as_str()), |(prefix, guid)| {
                (&text[..=prefix.len()], guid)
            });
        if self.word.is_empty() || !self.script_guids.contains(guid) {
            return text;
        }
        format!("{prefix}{}", salted_guid(&self.word, guid))
    }

    /// The guid of an attachment with the salt applied. A prefix such as `at_0_` stays.
    pub(super) fn attachment_guid(&self, guid: &str) -> String {
        if self.word.is_empty() {
            return guid.to_owned();
        }
        let prefix = match guid.rsplit_once('_') {
            Some((prefix, _)) if guid.starts_with("at_") => &guid[..=prefix.len()],
            _ => "",
        };
        format!("{prefix}{}", salted_guid(&self.word, guid))
    }

    /// All guids of messages and attachments that a play of `script` writes.
    fn written_guids(&self, script: &Script) -> (Vec<String>, Vec<String>) {
        let (mut messages, mut attachments) = (Vec::new(), Vec::new());
        let mut add_attachments = |files: &[Attachment]| {
            let guids = files.iter().map(|file| self.attachment_guid(&file.guid));
            attachments.extend(guids);
        };
        for (number, timed) in (1..).zip(&script.steps) {
            // Rows without a name are numbered as they are written, so no such number exceeds the number of
            // steps.
            messages.push(self.guid_of_new(&Label::unnamed(number)));
            let id = match &timed.step {
                Step::Message(message) => {
                    add_attachments(&message.attachments);
                    if let Some(guid) = &message.guid {
                        messages.push(self.salted(guid.clone()));
                    }
                    message.id.as_ref()
                }
                Step::Attachment { attachment, .. } => {
                    add_attachments(std::slice::from_ref(attachment));
                    None
                }
                Step::Tapback(tapback) => tapback.id.as_ref(),
                Step::Group(group) => group.id.as_ref(),
                _ => None,
            };
            messages.extend(id.map(|id| self.guid_of_new(id)));
        }
        (messages, attachments)
    }
}

fn salted_guid(word: &str, name: &str) -> String {
    Label(format!("{word}/{name}")).guid()
}

/// A salt with which `script` writes no guid that `db` has, also not that of a deleted message. It is empty if the
/// guids without a salt are all unused, or else a number.
pub fn unused_salt(db: &ChatDb, script: &Script) -> Result<String, Error> {
    let mut salt = GuidSalt::new(script, "");
    let mut number = 1;
    loop {
        let (messages, attachments) = salt.written_guids(script);
        let is_message_known = "select exists (select 1 from message where guid = ?1)
                        or exists (select 1 from deleted_messages where guid = ?1)";
        let is_attachment_known = "select exists (select 1 from attachment where guid = ?1)";
        if !is_any_known(db.raw(), is_message_known, &messages)?
            && !is_any_known(db.raw(), is_attachment_known, &attachments)?
        {
            return Ok(salt.word);
        }
        number += 1;
        salt = salt.with_word(number.to_string());
    }
}

/// Whether `sql`, which asks whether one guid is known, is true for any of `guids`.
fn is_any_known(connection: &Connection, sql: &str, guids: &[String]) -> Result<bool, Error> {
    let mut query = connection.prepare(sql)?;
    for guid in guids {
        if query.query_row([guid], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}
