//! The additive changes of the schema ([`STEPS`]) are applied to states of the previous release, 0.1, which can
//! use these states afterwards.

use std::path::Path;

use strum::VariantArray;

use super::super::*;
use super::*;
use crate::clock::UnixMicros;
use crate::state::seen::RowOutcome;

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);
/// `user_version` of every state in these tests.
const BASE: i64 = 1;
/// Every statement of release 0.1, one on each line.
const STATEMENTS_OF_0_1: &str = include_str!("statements_of_0_1.sql");
/// Every statement of the version before the ledger, one on each line.
const STATEMENTS_BEFORE_LEDGER: &str = include_str!("statements_before_ledger.sql");
/// How many steps that version knows.
const STEPS_BEFORE_LEDGER: usize = 4;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn connect_directly(dir: &Path) -> Connection {
    Connection::open(dir.join(STATE_FILE)).expect("opened")
}

/// A state as release 0.1 creates it.
fn create_state_of_0_1(dir: &Path) -> Connection {
    let connection = connect_directly(dir);
    connection
        .execute_batch(&format!(
            "pragma journal_mode = wal; begin; {} pragma application_id = {APPLICATION_ID};
             pragma user_version = {BASE}; commit;",
            MIGRATIONS[0]
        ))
        .expect("made");
    connection
}

fn statements_of_0_1() -> impl Iterator<Item = &'static str> {
    statements(STATEMENTS_OF_0_1)
}

fn statements(fixture: &'static str) -> impl Iterator<Item = &'static str> {
    fixture.lines().filter(|line| !line.starts_with("--"))
}

fn has_column(connection: &Connection, table: &str, column: &str) -> bool {
    connection
        .column_exists(None, table, column)
        .expect("asked")
}

#[test]
fn a_state_of_the_previous_release_gets_the_steps_and_keeps_its_version() {
    let dir = folder();
    let old = create_state_of_0_1(dir.path());
    old.execute("insert into meta values ('k', 'v')", [])
        .expect("written");
    drop(old);
    for _ in 0..2 {
        let state = State::open(dir.path(), NOW).expect("opened");
        let (value, applied, user_version) = state
            .read(|c| {
                Ok((
                    meta::get(c, "k")?,
                    applied(c, BASE)?,
                    c.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?,
                ))
            })
            .expect("read");
        assert_eq!(value.as_deref(), Some("v"));
        assert_eq!(
            (applied.version, applied.oldest_reader),
            (known_version(), FIRST_VERSION)
        );
        assert_eq!(user_version, BASE);
    }
}

#[test]
fn the_previous_release_can_prepare_every_statement_on_a_new_state() {
    let dir = folder();
    drop(State::open(dir.path(), NOW).expect("a new state"));
    let connection = connect_directly(dir.path());
    assert!(statements_of_0_1().count() > 40);
    for statement in statements_of_0_1() {
        if let Err(error) = connection.prepare(statement) {
            panic!("{statement}: {error}");
        }
    }
}

/// The version before the ledger knows four steps. It opens a state with the ledger, because `user_version` and the
/// oldest reader are those that it knows, and its statements can be prepared.
#[test]
fn the_version_before_the_ledger_can_use_a_new_state() {
    let dir = folder();
    let mut old = create_state_of_0_1(dir.path());
    let tx = old.transaction().expect("begun");
    assert!(apply_all(&tx, BASE, &STEPS[..STEPS_BEFORE_LEDGER]).expect("applied"));
    tx.commit().expect("committed");
    assert!(!old.table_exists(None, "ledger_bubble").expect("asked"));
    drop(State::open(dir.path(), NOW).expect("opened"));
    let old = connect_directly(dir.path());
    assert!(old.table_exists(None, "ledger_bubble").expect("asked"));
    let version: i64 = old
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("read");
    assert_eq!(version, BASE);
    let known_before = BASE + i64::try_from(STEPS_BEFORE_LEDGER).expect("small");
    let oldest_reader = applied(&old, BASE).expect("read").oldest_reader;
    assert!(oldest_reader <= known_before, "{oldest_reader}");
    assert!(statements(STATEMENTS_BEFORE_LEDGER).count() > 70);
    for statement in statements(STATEMENTS_BEFORE_LEDGER) {
        if let Err(error) = old.prepare(statement) {
            panic!("{statement}: {error}");
        }
    }
}

#[test]
fn a_row_that_the_previous_release_has_written_is_read() {
    let dir = folder();
    let state = State::open(dir.path(), NOW).expect("a new state");
    let old = connect_directly(dir.path());
    let insert = statements_of_0_1().find(|sql| sql.starts_with("insert into seen"));
    old.execute(
        insert.expect("there"),
        rusqlite::params![
            "G", 7, 1, [1_u8; 16], [2_u8; 16], "spam", 0, 0, 0, 0, 0, [3_u8; 16], 9
        ],
    )
    .expect("written");
    let seen = state.read(|c| seen::find(c, "G")).expect("read");
    assert_eq!(seen.expect("there").outcome, RowOutcome::Spam);
}

/// The words that release 0.1 knows in `seen.outcome`. It would stop reading chat.db at any other.
#[test]
fn every_outcome_is_one_that_the_previous_release_knows() {
    const KNOWN: [&str; 12] = [
        "forwarded",
        "backfilled",
        "twin",
        "quarantined",
        "dropped",
        "recorded",
        "orphaned",
        "spam",
        "note_to_self",
        "link_preview",
        "scheduled",
        "system",
    ];
    for outcome in RowOutcome::VARIANTS {
        assert!(KNOWN.contains(&outcome.as_str()), "{outcome:?}");
    }
}

#[test]
fn steps_that_are_not_committed_or_fail_change_nothing() {
    let dir = folder();
    let mut connection = create_state_of_0_1(dir.path());
    {
        let tx = connection.transaction().expect("begun");
        assert!(apply(&tx, BASE).expect("applied"));
    }
    assert!(!has_column(&connection, "seen", "chat_guid"));
    let failing = [
        Step {
            sql: "create table first (id integer primary key) strict",
            oldest_reader: FIRST_VERSION,
        },
        Step {
            sql: "create table second (id integer primary key) strict; select nothing from it",
            oldest_reader: FIRST_VERSION,
        },
    ];
    {
        let tx = connection.transaction().expect("begun");
        assert!(apply_all(&tx, BASE, &failing).is_err());
    }
    assert_eq!(
        applied(&connection, BASE).expect("read"),
        Applied {
            version: BASE,
            oldest_reader: FIRST_VERSION
        }
    );
    assert!(!connection.table_exists(None, "first").expect("asked"));
    drop(connection);
    State::open(dir.path(), NOW).expect("opened all the same");
}

#[test]
fn steps_of_a_later_release_are_applied_once() {
    let dir = folder();
    drop(State::open(dir.path(), NOW).expect("a new state"));
    let mut connection = connect_directly(dir.path());
    let applied_before = STEPS.iter().map(|_| Step {
        sql: "this one was applied before and is not read again",
        oldest_reader: FIRST_VERSION,
    });
    let needed = FIRST_VERSION + 1;
    let later = Step {
        sql: "create table later (id integer primary key) strict",
        oldest_reader: needed,
    };
    let more: Vec<Step> = applied_before.chain([later]).collect();
    for changed in [true, false] {
        let tx = connection.transaction().expect("begun");
        assert_eq!(apply_all(&tx, BASE, &more).expect("applied"), changed);
        tx.commit().expect("committed");
    }
    assert_eq!(
        applied(&connection, BASE).expect("read"),
        Applied {
            version: known_version() + 1,
            oldest_reader: needed
        }
    );
    // This release does not know the later step, and knows the version that the step asks for.
    State::open(dir.path(), NOW).expect("opened");
}

#[test]
fn a_state_that_needs_a_newer_release_is_refused() {
    let dir = folder();
    drop(State::open(dir.path(), NOW).expect("a new state"));
    let needed = known_version() + 1;
    connect_directly(dir.path())
        .execute(
            "insert into schema_step (version, oldest) values (?1, ?1)",
            [needed],
        )
        .expect("written");
    for error in [
        State::open(dir.path(), NOW).err().expect("refused"),
        State::open_beside(dir.path()).err().expect("refused"),
    ] {
        let StateError::Newer {
            needed: named,
            known,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!((*named, *known), (needed, known_version()));
    }
}

#[test]
fn a_command_works_beside_a_relay_of_the_previous_release() {
    let dir = folder();
    let old = create_state_of_0_1(dir.path());
    let mut find = old
        .prepare(
            statements_of_0_1()
                .find(|sql| sql.contains("from seen where guid = ?1"))
                .expect("there"),
        )
        .expect("prepared");
    let beside = State::open_beside(dir.path()).expect("opened");
    assert_eq!(beside.read(|c| seen::find(c, "G")).expect("read"), None);
    assert!(!find.exists(["G"]).expect("the old relay goes on"));
}
