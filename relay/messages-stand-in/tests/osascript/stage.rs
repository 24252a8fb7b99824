//! A chat.db with chats, and the link by which the stand-in is started.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use messages_stand_in::osascript::{Control, LoggedCall, Mode, Queued, SCRIPT};
use messages_stand_in::{Chat, ChatDb, Date, NewMessage, Style};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, Params};
use tempfile::TempDir;
use test_process::{Run, wait_until};

pub(crate) const ANN: &str = "+15555550101";
pub(crate) const BEN: &str = "+15555550102";
pub(crate) const LINE: &str = "+15550009999";

/// The styles that stand for macOS 14, 15, 26 and 27, and an older one.
pub(crate) const STYLES: [Style; 5] = Style::ALL;

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) control: Control,
    link: PathBuf,
    /// The guids of a direct chat with Ann, and of a group.
    pub(crate) ann: String,
    pub(crate) group: String,
}

impl Stage {
    pub(crate) fn new(style: Style) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let mut db = ChatDb::create(&path, style).unwrap();
        let start = Date::from_unix_secs(1_760_000_000);
        let handle = db.ensure_handle(ANN, "iMessage").unwrap();
        let mut guid_of = |chat: Chat| -> String {
            let chat = db.insert_chat(&chat).unwrap();
            let hello = NewMessage::incoming(handle, start).text("Hello");
            db.deliver(chat, &hello).unwrap();
            let sql = "select guid from chat where ROWID = ?1";
            db.raw().query_row(sql, [chat], |row| row.get(0)).unwrap()
        };
        let ann = guid_of(Chat::direct(ANN));
        let group = guid_of(Chat::group([ANN, BEN]));
        let control = Control::beside(&path);
        let program = Path::new(env!("CARGO_BIN_EXE_messages-stand-in"));
        let link = control.install(folder.path(), program).unwrap();
        Self {
            folder,
            control,
            link,
            ann,
            group,
        }
    }

    /// The command by which the relay starts `osascript`.
    pub(crate) fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new(&self.link);
        command.args(["-l", "AppleScript", "-"]).args(argv);
        command.stdin(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, argv: &[&str]) -> Run {
        Run::with_input(&mut self.command(argv), SCRIPT)
    }

    /// Sends a text to Ann in the given mode.
    pub(crate) fn send(&self, mode: Mode, text: &str) -> Run {
        self.control.queue([Queued::send(mode)]).unwrap();
        self.run(&["send-to-chat", &self.ann, text])
    }

    pub(crate) fn last_call(&self) -> LoggedCall {
        self.control.calls().unwrap().pop().unwrap()
    }

    pub(crate) fn reader(&self) -> Connection {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(self.control.chat_db(), flags).unwrap()
    }

    /// One value of the database.
    pub(crate) fn value<T: FromSql>(&self, sql: &str, values: impl Params) -> T {
        let reader = self.reader();
        reader
            .query_row(sql, values, |row| row.get(0))
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// One column of the newest message.
    pub(crate) fn newest<T: FromSql>(&self, column: &str) -> T {
        let sql = format!("select {column} from message order by ROWID desc limit 1");
        self.value(&sql, [])
    }

    /// Waits until the newest message meets a condition in SQL.
    #[track_caller]
    pub(crate) fn wait_for(&self, condition: &str) {
        wait_until(condition, || {
            self.newest::<Option<bool>>(condition) == Some(true)
        });
    }

    pub(crate) fn messages(&self) -> i64 {
        self.value("select count(*) from message", [])
    }

    /// The text of the newest message, out of `attributedBody`.
    pub(crate) fn newest_text(&self) -> String {
        let body: Vec<u8> = self.newest("attributedBody");
        attributed_body::decode(&body).unwrap().text.to_owned()
    }
}
