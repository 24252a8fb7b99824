//! What became of each bubble, by chat.db, by the log of `osascript`, by the backend's database and by the ledger.
//!
//! A bubble is *seen* if chat.db has its row once, in its chat, and the backend says so. It is *listed* if the backend
//! says that it is unknown or failed, or if it waits behind such a one. All else is a fault: it is lost or doubled, or the
//! parts disagree about it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use messages_stand_in::osascript::sha256;

use crate::database::{BackendBubble, Database};
use crate::feed::Question;
use crate::ledger::LedgerStates;
use crate::stage::Stage;

/// How many faults are described in full.
const DESCRIBED: usize = 10;

/// Everything that is known after a run.
pub(crate) struct Evidence {
    /// The command ids of replies, by the guid of the message that they answer.
    replies: BTreeMap<String, Vec<String>>,
    bubbles: Vec<BackendBubble>,
    /// How often each message is stored, by guid.
    stored: BTreeMap<String, usize>,
    unanswered: BTreeSet<String>,
    ledger: LedgerStates,
    pending_acks: usize,
}

/// How many bubbles of a run are in which class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) replies: usize,
    pub(crate) bubbles: usize,
    pub(crate) seen: usize,
    pub(crate) unknown: usize,
    pub(crate) failed: usize,
    /// Bubbles behind an unknown one, or held for the owner.
    pub(crate) waiting: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) out_of_order: usize,
    /// What is wrong, for the first faults.
    pub(crate) faults: Vec<String>,
}

/// A row of chat.db that shows a bubble.
struct OwnRow {
    guid: String,
    chat: Option<String>,
    text: String,
    is_sent: bool,
    has_error: bool,
}

/// The verdict about one bubble.
enum Verdict {
    Seen,
    Unknown,
    Failed,
    Waiting,
    Lost(String),
    Doubled(String),
}

impl Evidence {
    /// Reads what backend and relay have. Both may run meanwhile.
    pub(crate) fn read(stage: &Stage, database: &mut Database) -> anyhow::Result<Self> {
        let ledger = stage.ledger()?;
        Ok(Self {
            unanswered: database.unanswered()?,
            replies: database.replies()?,
            stored: database.stored()?,
            bubbles: database.bubbles()?,
            ledger: ledger.states,
            pending_acks: ledger.pending_acks,
        })
    }

    /// Whether every question is answered, nothing is under way, and the backend knows all that the relay knows.
    pub(crate) fn is_settled(&self, asked: &[Question]) -> bool {
        let is_answered = |question: &Question| {
            self.replies.contains_key(&question.guid) && !self.unanswered.contains(&question.guid)
        };
        self.pending_acks == 0
            && asked.iter().all(is_answered)
            && self.commands().values().all(|bubbles| {
                let mut states = bubbles.iter().map(|bubble| &*bubble.state);
                // What follows an unknown or a held one waits for the owner.
                let until_stop = states.by_ref().take_while(|state| !stops_reply(state));
                until_stop.into_iter().all(is_through)
            })
    }

    /// The command ids of replies, by the guid of the message that they answer.
    pub(crate) fn replies(&self) -> &BTreeMap<String, Vec<String>> {
        &self.replies
    }

    /// The guids of the messages that are not answered yet.
    pub(crate) fn unanswered(&self) -> &BTreeSet<String> {
        &self.unanswered
    }

    fn commands(&self) -> HashMap<&str, Vec<&BackendBubble>> {
        let mut commands: HashMap<&str, Vec<&BackendBubble>> = HashMap::new();
        for bubble in &self.bubbles {
            commands.entry(&bubble.command_id).or_default().push(bubble);
        }
        commands
    }

    /// Judges every bubble that the questions asked for.
    pub(crate) fn judge(&self, stage: &Stage, asked: &[Question]) -> anyhow::Result<Tally> {
        let rows = own_rows(stage)?;
        let handed_over = handed_over(stage)?;
        let listed = stage.attention_list()?;
        let commands = self.commands();
        let mut tally = Tally::default();
        for question in asked {
            if self.stored.get(&question.guid) != Some(&1) {
                let times = self.stored.get(&question.guid).copied().unwrap_or(0);
                tally.note(format!("{} is stored {times} times", question.words));
            }
            let replies = self.replies.get(&question.guid);
            let replies = replies.map_or(&[][..], Vec::as_slice);
            tally.replies += replies.len();
            if replies.len() != 1 || self.unanswered.contains(&question.guid) {
                let count = replies.len();
                tally.note(format!("{} has {count} replies", question.words));
            }
            let bubbles = replies.first().and_then(|id| commands.get(&**id));
            let bubbles = bubbles.map_or(&[][..], Vec::as_slice);
            let mut is_stopped = false;
            for number in 0..question.bubbles {
                let text = question.bubble_text(number);
                let its_rows: Vec<&OwnRow> = rows.iter().filter(|row| row.text == text).collect();
                let known = bubbles.iter().find(|bubble| bubble.bubble == number);
                let found = Found {
                    rows: &its_rows,
                    handed_over: handed_over.get(&sha256(&text)).copied().unwrap_or(0),
                    backend: known.copied().filter(|bubble| bubble.text == text),
                    ledger: known.and_then(|bubble| {
                        let key = (bubble.command_id.clone(), number);
                        self.ledger.get(&key).map(String::as_str)
                    }),
                    is_listed: known.is_some_and(|bubble| {
                        listed.contains(&format!("{}.{number}", bubble.command_id))
                    }),
                    is_stopped,
                };
                is_stopped |= known.is_some_and(|bubble| stops_reply(&bubble.state));
                tally.count(&text, found.judge(&question.chat));
            }
        }
        let given_up = stage.given_up_bubbles();
        let was_given_up = |question: &&Question| {
            let replies = self.replies.get(&question.guid).into_iter().flatten();
            let mut commands = replies.map(String::as_str);
            commands.any(|id| given_up.iter().any(|(command, _)| command == id))
        };
        let overtaken = asked.iter().filter(was_given_up);
        let overtaken = overtaken.map(|question| &*question.words).collect();
        tally.count_order(&rows, asked, &overtaken);
        Ok(tally)
    }
}

/// What is known about one bubble.
struct Found<'a> {
    rows: &'a [&'a OwnRow],
    /// How often Messages has taken its text.
    handed_over: usize,
    backend: Option<&'a BackendBubble>,
    ledger: Option<&'a str>,
    /// Whether the owner finds it in the backend's list.
    is_listed: bool,
    /// Whether a bubble before it is unknown or held.
    is_stopped: bool,
}

impl Found<'_> {
    fn judge(&self, chat: &str) -> Verdict {
        let rows = self.rows.len();
        if rows > 1 || self.handed_over > 1 {
            let times = self.handed_over;
            return Verdict::Doubled(format!("{rows} rows, handed over {times} times"));
        }
        let Some(bubble) = self.backend else {
            return Verdict::Lost(format!("the backend does not have it; {rows} rows"));
        };
        let state = &*bubble.state;
        let said = self.ledger.map_or("nothing", as_acked);
        if said != state {
            return Verdict::Lost(format!("the backend has {state}, the ledger {said}"));
        }
        let row = self.rows.first();
        let must_be_listed = matches!(state, "unknown" | "failed" | "held");
        if must_be_listed && !self.is_listed {
            return Verdict::Lost(format!("it is {state} and not listed"));
        }
        match state {
            "row_seen" | "sent" | "delivered" => match row {
                Some(row) if row.chat.as_deref() != Some(chat) => {
                    Verdict::Lost("its row is in another chat".to_owned())
                }
                Some(row) if bubble.guid.as_ref() != Some(&row.guid) => {
                    Verdict::Lost("the backend names another row".to_owned())
                }
                Some(_) => Verdict::Seen,
                None => Verdict::Lost(format!("it is {state} without a row")),
            },
            // A row in a chat that Messages has not marked as sent says nothing about an unknown bubble.
            "unknown" if row.is_some_and(|row| row.chat.is_some() && row.is_sent) => {
                Verdict::Lost("it is unknown, and its row is sent".to_owned())
            }
            "unknown" => Verdict::Unknown,
            "failed" if row.is_some_and(|row| row.chat.is_some() && !row.has_error) => {
                Verdict::Lost("it is failed, and its row is there".to_owned())
            }
            "failed" => Verdict::Failed,
            "held" => Verdict::Waiting,
            "received" | "pending" if self.is_stopped && rows == 0 => Verdict::Waiting,
            _ => Verdict::Lost(format!("it is {state}")),
        }
    }
}

impl Tally {
    /// Whether each bubble was seen once or is listed, in order.
    pub(crate) fn is_clean(&self) -> bool {
        self.bubbles > 0 && self.faults.is_empty() && self.lost + self.doubled == 0
    }

    fn note(&mut self, fault: String) {
        self.faults.push(fault);
    }

    fn count(&mut self, text: &str, verdict: Verdict) {
        self.bubbles += 1;
        match verdict {
            Verdict::Seen => self.seen += 1,
            Verdict::Unknown => self.unknown += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Waiting => self.waiting += 1,
            Verdict::Lost(why) => {
                self.lost += 1;
                self.note(format!("lost: {text}: {why}"));
            }
            Verdict::Doubled(why) => {
                self.doubled += 1;
                self.note(format!("doubled: {text}: {why}"));
            }
        }
    }

    /// Counts the rows that stand below one which should follow them in their chat. The replies in `overtaken` had a
    /// bubble that was unknown for a while: the next reply does not wait for what may never come.
    fn count_order(&mut self, rows: &[OwnRow], asked: &[Question], overtaken: &HashSet<&str>) {
        let mut places = HashMap::new();
        for (order, question) in asked.iter().enumerate() {
            for bubble in 0..question.bubbles {
                places.insert(question.bubble_text(bubble), (order, bubble));
            }
        }
        let mut newest_reply: HashMap<&str, usize> = HashMap::new();
        let mut newest_bubble: HashMap<usize, u32> = HashMap::new();
        for row in rows {
            let (Some((reply, bubble)), Some(chat)) = (places.get(&row.text), &row.chat) else {
                continue;
            };
            let newest = newest_reply.entry(chat).or_default();
            let comes_late = reply < newest && !overtaken.contains(&*asked[*reply].words);
            *newest = (*reply).max(*newest);
            let before = newest_bubble.insert(*reply, *bubble);
            if comes_late || before.is_some_and(|before| before > *bubble) {
                self.out_of_order += 1;
                self.note(format!("out of order: {}", row.text));
            }
        }
    }

    /// The first faults, one a line.
    pub(crate) fn described_faults(&self) -> String {
        let mut lines: Vec<String> = self.faults.iter().take(DESCRIBED).cloned().collect();
        if self.faults.len() > DESCRIBED {
            lines.push(format!("and {} more", self.faults.len() - DESCRIBED));
        }
        lines.join("\n")
    }
}

/// Whether the rest of a reply waits for a bubble in this state.
fn stops_reply(state: &str) -> bool {
    matches!(state, "unknown" | "held")
}

fn is_through(state: &str) -> bool {
    // A row that Messages never marks as sent stays `row_seen`.
    [
        "row_seen",
        "sent",
        "delivered",
        "failed",
        "cancelled",
        "expired",
    ]
    .contains(&state)
}

/// The state of the ledger as the backend is told.
fn as_acked(state: &str) -> &str {
    if state == "queued" { "received" } else { state }
}

/// The own rows of chat.db in order.
fn own_rows(stage: &Stage) -> anyhow::Result<Vec<OwnRow>> {
    let messages = &stage.mac.messages;
    let mut statement = messages.raw().prepare(
        "select m.ROWID, m.guid, c.guid, m.is_sent, m.error <> 0
         from message m
         left join chat_message_join j on j.message_id = m.ROWID
         left join chat c on c.ROWID = j.chat_id
         where m.is_from_me = 1 order by m.ROWID",
    )?;
    let rows = statement.query_map([], |row| {
        let rowid: i64 = row.get(0)?;
        Ok((rowid, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    })?;
    let mut own = Vec::new();
    for row in rows {
        let (rowid, guid, chat, is_sent, has_error) = row?;
        own.push(OwnRow {
            guid,
            chat,
            text: messages.text_of(rowid)?,
            is_sent,
            has_error,
        });
    }
    Ok(own)
}

/// How often Messages has taken each text, by its digest.
fn handed_over(stage: &Stage) -> anyhow::Result<HashMap<String, usize>> {
    let mut times = HashMap::new();
    for call in stage.osascript.calls()? {
        if let (Some(text), Some(_)) = (call.text_sha256, call.handed_over) {
            *times.entry(text).or_default() += 1;
        }
    }
    Ok(times)
}
