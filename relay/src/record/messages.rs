//! Records messages and their attachments as steps.

use messages_script::{
    Attachment, Cell, Date, MessageStep, Piece, Stored, Summary, TransferState, attributed_body,
};
use rusqlite::types::Value;

use super::Recorder;
use super::columns::{Row, hex};

/// Columns that are not recorded by themselves: the fields of a message step cover them, or Messages' triggers
/// fill them.
const COVERED: &str = "\
    ROWID guid text attributedBody handle_id other_handle service message_summary_info
    cache_roomnames cache_has_attachments";

/// Columns that the fields of an attachment cover.
const ATTACHMENT_COVERED: &str = "\
    ROWID guid original_guid filename transfer_name mime_type uti total_bytes transfer_state
    is_sticker hide_attachment";

impl Recorder<'_> {
    /// The step for the message in a row.
    pub(super) fn message(&mut self, rowid: i64) -> rusqlite::Result<MessageStep> {
        let row = self.row("message", rowid)?;
        let from_me = row.int("is_from_me") == Some(1);
        let sender = self.person(&row, "handle_id")?;
        let other = self.person(&row, "other_handle")?;
        let chats = self.chats_of(rowid)?;
        let mut chats = chats.into_iter().map(|chat| self.chat_name(chat));
        let (chat, also_in) = (chats.next(), chats.collect());
        let mut step = MessageStep {
            guid: row.text("guid"),
            chat,
            also_in,
            from: if from_me {
                Some("me".to_owned())
            } else {
                sender.clone()
            },
            to: sender.clone().filter(|_| from_me),
            about: other.clone(),
            service: row.text("service"),
            attachments: self.attachments(rowid)?,
            summary: self.summary(&row),
            ..MessageStep::default()
        };
        step.columns = self.other_columns("message", &row, COVERED, &defaults(from_me));
        self.fill_body(&row, &mut step);
        // A handle that does not exist is recorded by its number. In `handle_id` that includes 0, where the
        // player would otherwise write the handle of the other person in the chat.
        for (column, person) in [("handle_id", sender), ("other_handle", other)] {
            let number = row.int(column);
            if person.is_none() && (column == "handle_id" || number != Some(0)) {
                let cell = number.map_or(Cell::Null, Cell::Int);
                step.columns.insert(column.to_owned(), cell);
            }
        }
        if step.service.is_none() {
            step.columns.insert("service".to_owned(), Cell::Null);
        }
        // A date in nanoseconds becomes the step's date, which the player can move. Other values, such as
        // dates in seconds, stay in the column.
        if let Some(Cell::Int(nanos @ 1_000_000_000_000..)) = step.columns.get("date") {
            step.date = Some(Date::from_apple_nanos(*nanos).unix_nanos());
            step.columns.remove("date");
        }
        Ok(step)
    }

    /// The address of the handle in a column, redacted if redaction is on.
    fn person(&mut self, row: &Row, column: &str) -> rusqlite::Result<Option<String>> {
        match row.int(column) {
            Some(handle @ 1..) => self.address(handle),
            _ => Ok(None),
        }
    }

    /// Sets how the step's text is stored (`text`, `attributedBody` or both), and the text itself.
    fn fill_body(&mut self, row: &Row, step: &mut MessageStep) {
        let archive = row.blob("attributedBody");
        let runs = match archive.map(|archive| (archive, Piece::read(archive))) {
            None => Vec::new(),
            // An archive without text has nothing to redact.
            Some((_, Ok(pieces))) if pieces.is_empty() => {
                step.archive = Some(hex(&attributed_body(&[])));
                Vec::new()
            }
            // Without redaction, runs are recorded only if the player can write the same archive from them.
            Some((archive, Ok(pieces)))
                if self.redactor.is_on() || attributed_body(&pieces) == archive =>
            {
                self.redactor.runs(pieces)
            }
            Some((archive, _)) => {
                step.archive = Some(self.redactor.bytes(archive));
                Vec::new()
            }
        };
        let text_of_runs: String = runs.iter().map(|run| run.text.as_str()).collect();
        let text = match row.value("text") {
            Value::Text(text) => Some(self.redactor.text(&text)),
            Value::Null => None,
            other => {
                let cell = match other {
                    Value::Blob(blob) => self.redactor.bytes(&blob),
                    Value::Integer(int) => Cell::Int(int),
                    _ => Cell::Null,
                };
                step.columns.insert("text".to_owned(), cell);
                None
            }
        };
        match (runs.is_empty(), text) {
            (true, text) => {
                step.stored = match (&text, &step.archive) {
                    (None, None) => Stored::Empty,
                    (Some(_), None) => Stored::Text,
                    (_, Some(_)) => Stored::Usual,
                };
                step.text = text;
            }
            (false, None) => {
                step.stored = Stored::Attributed;
                step.runs = runs;
            }
            (false, Some(text)) => {
                // Redacted columns differ anyway: `text` is redacted as a whole, `attributedBody` run by run.
                if !self.redactor.is_on() && text != text_of_runs {
                    step.columns.insert("text".to_owned(), Cell::Text(text));
                }
                step.stored = Stored::Both;
                step.runs = runs;
            }
        }
    }

    /// The message's edits and unsent parts; `None` if it has none, or none that can be read.
    fn summary(&mut self, row: &Row) -> Option<Summary> {
        let plist = row.blob("message_summary_info")?;
        let mut summary = Summary::from_plist(plist).ok()?;
        let editions = summary.history.iter_mut();
        for edition in editions.flat_map(|history| &mut history.editions) {
            edition.runs = self.redactor.runs(std::mem::take(&mut edition.runs));
        }
        Some(summary)
    }

    fn attachments(&mut self, message: i64) -> rusqlite::Result<Vec<Attachment>> {
        let mut query = self.connection.prepare_cached(
            "select attachment_id from message_attachment_join where message_id = ?1
             order by attachment_id",
        )?;
        let rowids = query.query_map([message], |row| row.get(0))?;
        let rowids: Vec<i64> = rowids.collect::<Result<_, _>>()?;
        rowids
            .into_iter()
            .map(|rowid| self.attachment(rowid))
            .collect()
    }

    fn attachment(&mut self, rowid: i64) -> rusqlite::Result<Attachment> {
        const TABLE: &str = "attachment";
        // The player fills these columns from the message and from the time of the replay.
        let no_default = ["is_outgoing", "created_date", "start_date"].map(|column| (column, None));
        let row = self.row(TABLE, rowid)?;
        let mut columns = self.other_columns(TABLE, &row, ATTACHMENT_COVERED, &no_default);
        let filename = row.text("filename");
        let filename = filename.map(|filename| self.redactor.file(&filename));
        let filename = filename.map_or(Cell::Null, Cell::Text);
        columns.insert("filename".to_owned(), filename);
        let name = row.text("transfer_name");
        Ok(Attachment {
            guid: row.text("guid").unwrap_or_default(),
            name: name.map(|name| self.redactor.file(&name)),
            mime_type: row.text("mime_type"),
            uti: row.text("uti"),
            bytes: row.int("total_bytes").unwrap_or(0),
            state: row
                .int("transfer_state")
                .map(TransferState)
                .unwrap_or_default(),
            sticker: row.int("is_sticker").unwrap_or(0),
            hidden: row.int("hide_attachment").unwrap_or(0),
            columns,
            ..Attachment::default()
        })
    }
}

/// The columns that the player fills if a step does not set them: with a fixed value, or with a value that
/// depends on other steps (`None`).
fn defaults(from_me: bool) -> Vec<(&'static str, Option<Value>)> {
    let sent = i64::from(from_me);
    let fixed = [
        ("version", 10),
        ("is_finished", 1),
        ("is_from_me", sent),
        ("is_sent", sent),
        ("is_delivered", 1 - sent),
        ("sort_id", 0),
        ("date_read", 0),
        ("date_delivered", 0),
        ("part_count", 1),
    ];
    let fixed = fixed.map(|(column, value)| (column, Some(Value::Integer(value))));
    let varying = ["date", "account", "destination_caller_id", "reply_to_guid"];
    let varying = varying.map(|column| (column, None));
    fixed.into_iter().chain(varying).collect()
}
