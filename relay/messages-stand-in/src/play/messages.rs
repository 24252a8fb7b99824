//! Message steps: the row is inserted at once. Joins, attachments, and columns that Messages writes later follow
//! after the delays of the script.

use super::chats::NO_HANDLE;
use super::{DelayedWrite, PlayedStep, Player, Task, convert};
use crate::script::{Label, MessageStep};
use crate::{Attachment, Attribute, Body, Date, Error, NewMessage, RichLink, TransferState};

impl Player {
    /// Inserts the row of a message, and writes or schedules what belongs to it. `due_ms` is the time of the step,
    /// in milliseconds since the start, from which its delays count.
    pub(super) fn write_message(
        &mut self,
        due_ms: u64,
        step: MessageStep,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        let name = step.id.clone().or_else(|| step.guid.clone().map(Label));
        let label = self.label_or_next_unnamed(name);
        let body = self.body(&step)?;
        let from_me = step.from.as_deref() == Some("me");
        let chat = step.chat.as_deref().map(|chat| self.known_chat(chat));
        let chat = chat.transpose()?;
        let (service, peer, newest) = chat.map_or((None, None, None), |chat| {
            let peer = chat.peer.clone();
            (Some(chat.service.clone()), peer, chat.newest.clone())
        });
        let service = step.service.clone().or(service);
        let service = service.unwrap_or_else(|| "iMessage".to_owned());
        // In direct chats, the handle of an own message is the peer's.
        let address = if from_me {
            step.to.clone().or(peer)
        } else {
            step.from.clone()
        };
        let handle = self.ensure_handle_id(address.as_deref(), &service)?;

        let date = match (step.date, step.at) {
            (Some(nanos), _) => Date::from_unix_nanos(nanos),
            (None, Some(secs)) => self.start.offset(secs),
            (None, None) => now,
        };
        // A row of the owner that is marked as received at first has no handle.
        let received_handle = if step.sender_after_ms > 0 || from_me {
            NO_HANDLE
        } else {
            handle
        };
        let mut row = if from_me && step.from_me_after_ms == 0 {
            NewMessage::outgoing(date).set("handle_id", handle)
        } else {
            NewMessage::incoming(received_handle, date)
        };
        let guid = match &step.guid {
            Some(guid) => self.guid_salt.salted(guid.clone()),
            None => self.guid_salt.guid_of_new(&label),
        };
        row = row.guid(guid);
        if step.text_after_ms == 0 {
            row = row.body(body.clone());
        }
        if step.about.is_some() {
            let about = self.ensure_handle_id(step.about.as_deref(), &service)?;
            row = row.set("other_handle", about);
        }
        row = row.on(service);
        if let Some(newest) = newest {
            row = row.set("reply_to_guid", newest);
        }
        if let Some(own_address) = &step.line {
            row = row
                .set("destination_caller_id", own_address.clone())
                .set("account", crate::db::account(own_address));
        }
        if let Some(thread) = &step.reply_to {
            row = row.reply_to(self.guid(thread)?);
        }
        if let Some(effect) = &step.effect {
            row = row.set("expressive_send_style_id", convert::effect_style_id(effect));
        }
        row = self.with_balloon(row, &step)?;
        if let Some(summary) = step.summary.clone() {
            row = row.set(
                "message_summary_info",
                self.salted_summary(summary).to_plist()?,
            );
        }
        for (column, cell) in &step.columns {
            row = row.set(column, self.value(cell.clone())?);
        }
        let rowid = self.db.insert_message(&row)?;
        self.messages.insert(label.clone(), rowid);
        self.write_or_schedule_rest(due_ms, &label, step, body, handle, now)?;
        self.played("message", Some(label), rowid)
    }

    /// Writes what has no delay, and schedules the rest: joins, attachments, and the columns that the script
    /// delays.
    fn write_or_schedule_rest(
        &mut self,
        due_ms: u64,
        label: &Label,
        mut step: MessageStep,
        body: Body,
        handle: i64,
        now: Date,
    ) -> Result<(), Error> {
        let mut files = std::mem::take(&mut step.attachments);
        let mut writes: Vec<(u64, DelayedWrite)> = Vec::new();
        if step.finish_after_ms > 0 {
            let finished = files.clone();
            writes.push((step.finish_after_ms, DelayedWrite::Finish(finished)));
            for file in &mut files {
                file.state = TransferState::WAITING;
                file.bytes = 0;
            }
        }
        if !files.is_empty() {
            writes.push((step.attachments_after_ms, DelayedWrite::Attachments(files)));
        }
        let chats: Vec<String> = step.chat.iter().chain(&step.also_in).cloned().collect();
        if !chats.is_empty() {
            writes.push((step.join_after_ms, DelayedWrite::Join(chats)));
        }
        if step.text_after_ms > 0 {
            writes.push((step.text_after_ms, DelayedWrite::Body(body)));
        }
        if step.sender_after_ms > 0 {
            writes.push((step.sender_after_ms, DelayedWrite::Sender(handle)));
        }
        if step.from_me_after_ms > 0 {
            writes.push((step.from_me_after_ms, DelayedWrite::FromMe));
        }
        if step.preview_after_ms > 0 {
            let preview = DelayedWrite::Preview(Box::new(preview_step(label, &step)));
            writes.push((step.preview_after_ms, preview));
        }
        for (after_ms, write) in writes {
            if after_ms == 0 {
                self.write_delayed(label.clone(), write, now)?;
            } else {
                let message = label.clone();
                self.schedule
                    .add(due_ms + after_ms, Task::Delayed { message, write });
            }
        }
        Ok(())
    }

    /// Carries out one of the writes that follow the insertion of the message `label`.
    pub(super) fn write_delayed(
        &mut self,
        label: Label,
        write: DelayedWrite,
        now: Date,
    ) -> Result<PlayedStep, Error> {
        if let DelayedWrite::Preview(step) = write {
            // A preview step has no delays, so the time from which they count does not matter.
            return self.write_message(0, *step, now);
        }
        let message = self.rowid(&label)?;
        let name = match write {
            DelayedWrite::Join(chats) => {
                let guid = self.db.guid_of(message)?;
                for chat_name in chats {
                    let rowid = self.known_chat(&chat_name)?.rowid;
                    self.db.join(rowid, message)?;
                    if let Some(chat) = self.chats.get_mut(&chat_name) {
                        chat.newest = Some(guid.clone());
                    }
                }
                "join"
            }
            DelayedWrite::Body(body) => {
                self.db.set_body(message, &body)?;
                "text"
            }
            DelayedWrite::Sender(handle) => {
                self.db.set_handle(message, handle)?;
                "sender"
            }
            DelayedWrite::FromMe => {
                self.db.flip_from_me(message)?;
                "from_me"
            }
            DelayedWrite::Attachments(files) => {
                for file in files {
                    self.attach(message, &file, now)?;
                }
                "attachments"
            }
            DelayedWrite::Finish(files) => {
                for file in files {
                    self.finish_attachment(&file.guid, file.bytes)?;
                }
                "attachments_finished"
            }
            DelayedWrite::Preview(_) => unreachable!("a preview returned above"),
        };
        self.played(name, Some(label), message)
    }

    /// Inserts an attachment with its other columns, and joins it to the message.
    pub(super) fn attach(
        &mut self,
        message: i64,
        file: &Attachment,
        now: Date,
    ) -> Result<(), Error> {
        let sql = "select is_from_me from message where ROWID = ?1";
        let from_me = self.db.raw().query_row(sql, [message], |row| row.get(0))?;
        let salted = file
            .clone()
            .with_guid(self.guid_salt.attachment_guid(&file.guid));
        let rowid = self.db.insert_attachment(&salted, from_me, now)?;
        for (column, value) in self.supported_values("attachment", salted.columns)? {
            self.db.set_value("attachment", rowid, &column, value)?;
        }
        self.db.join_attachment(message, rowid)?;
        Ok(())
    }

    /// The name of a message: `id`, or a new generated one if the script gives none.
    pub(super) fn label_or_next_unnamed(&mut self, id: Option<Label>) -> Label {
        id.unwrap_or_else(|| {
            self.unnamed += 1;
            Label::unnamed(self.unnamed)
        })
    }
}

/// The step that writes a link's preview: a row with the same text, another guid and hidden files.
fn preview_step(label: &Label, step: &MessageStep) -> MessageStep {
    let id = Label(format!("{}-preview", label.0));
    let file = |name: &str| Attachment {
        guid: Label(format!("{}-{name}", id.0)).guid(),
        name: Some(format!("{name}.pluginPayloadAttachment")),
        bytes: 4096,
        hidden: 1,
        ..Attachment::default()
    };
    let url = url_in(step);
    MessageStep {
        attachments: vec![file("icon"), file("image")],
        id: Some(id),
        chat: step.chat.clone(),
        from: step.from.clone(),
        to: step.to.clone(),
        text: step.text.clone(),
        runs: step.runs.clone(),
        service: step.service.clone(),
        line: step.line.clone(),
        link: Some(RichLink {
            original_url: url.clone(),
            url,
            ..RichLink::default()
        }),
        columns: step.columns.clone(),
        ..MessageStep::default()
    }
}

/// The first link of a message: that of a run with a link attribute, or else a word that begins like a URL.
fn url_in(step: &MessageStep) -> Option<String> {
    let attributes = step.runs.iter().flat_map(|run| &run.attributes);
    let from_attribute = attributes
        .into_iter()
        .find_map(|attribute| match attribute {
            Attribute::Link(url) => Some(url.clone()),
            _ => None,
        });
    let runs = step.runs.iter().map(|run| run.text.as_str());
    let text: String = step.text.as_deref().into_iter().chain(runs).collect();
    let mut words = text.split_whitespace();
    let from_text = words.find(|word| word.starts_with("https://") || word.starts_with("http://"));
    from_attribute.or_else(|| from_text.map(str::to_owned))
}
