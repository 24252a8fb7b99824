//! Two people with rows in every table.
//!
//! The rows are made from the catalogue: what a column needs follows from its type and name. A table
//! that cannot be filled this way fails here, so that no test passes on an empty table.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use archety_backend::store::Actor;

use super::tables;
use crate::support::TestDatabase;

/// The issuer of both people's tokens.
pub(super) const ISSUER: &str = "https://issuer.example/auth/v1";

/// One of the two people.
#[derive(Clone, Copy)]
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) subject: Uuid,
    /// Their direct conversation.
    pub(super) conversation: Uuid,
    /// Differs between the two, so that columns with unique values do.
    number: u8,
}

pub(super) const ADA: Person = Person::new(1);
pub(super) const BEN: Person = Person::new(2);

/// The group in which both write.
pub(super) const GROUP: Uuid = Uuid::from_u128(0xcccc);

impl Person {
    const fn new(number: u8) -> Self {
        Self {
            id: Uuid::from_u128(0xa000 + number as u128),
            subject: Uuid::from_u128(0xb000 + number as u128),
            conversation: Uuid::from_u128(0xd000 + number as u128),
            number,
        }
    }

    pub(super) fn actor(self) -> Actor {
        Actor {
            user_id: self.id,
            issuer: ISSUER.to_owned(),
            subject: self.subject,
        }
    }

    /// The claims of a token that was issued to this person's live session.
    pub(super) fn claims(self) -> String {
        self.claims_in(&self.number.to_string())
    }

    pub(super) fn claims_in(self, session: &str) -> String {
        serde_json::json!({
            "iss": ISSUER, "sub": self.subject, "role": "authenticated", "session_id": session,
        })
        .to_string()
    }

    /// The value of a column in this person's row, as SQL.
    fn value(self, table: &str, column: &str, sql_type: &str) -> String {
        let number = self.number;
        match (table, column) {
            ("users", "id") | (_, "user_id") => format!("'{}'", self.id),
            ("conversations", "id") | ("messages" | "command_bubbles", "conversation_id") => {
                format!("'{}'", self.conversation)
            }
            ("conversations", "mode") => "'direct'".to_owned(),
            ("sessions", "ended_at") => "null".to_owned(),
            ("sessions", "expires_at" | "idle_expires_at") => "now() + '1 day'".to_owned(),
            ("accounts" | "sessions", "issuer") => format!("'{ISSUER}'"),
            ("accounts", "subject") => format!("'{}'", self.subject),
            _ => match sql_type {
                "uuid" => format!("'{}'", Uuid::from_u128(0xe000 + u128::from(number))),
                "text" | "varchar" => format!("'{number}'"),
                "bytea" => format!(r"'\x{number:02x}'"),
                "timestamptz" => "now()".to_owned(),
                "bool" => "false".to_owned(),
                "int2" | "int4" | "int8" | "float8" => number.to_string(),
                "json" | "jsonb" => format!("'{{\"n\": {number}}}'"),
                other => panic!("{table}.{column}: {other} is not known here"),
            },
        }
    }
}

pub(super) fn claims(issuer: &str, subject: &str) -> String {
    serde_json::json!({ "iss": issuer, "sub": subject, "role": "authenticated" }).to_string()
}

/// A migrated database with both people in it.
pub(super) struct People {
    pub(super) database: TestDatabase,
    /// Logged in as the owner of the tables.
    pub(super) connection: PgConnection,
}

impl People {
    pub(super) async fn new() -> Self {
        let database = TestDatabase::migrated().await;
        let mut connection = database.connect().await;
        fill(&mut connection).await;
        Self {
            database,
            connection,
        }
    }
}

/// Gives each person one row in every table and a message in a group, and Ada's chat two messages of others.
async fn fill(connection: &mut PgConnection) {
    let mut transaction = connection.begin().await.expect("begun");
    // This setting turns foreign keys off: the rows refer to ids that do not exist.
    transaction
        .execute("set local session_replication_role = replica")
        .await
        .expect("the tests' login is a superuser");
    for table in tables(&mut transaction).await {
        if table == "_sqlx_migrations" {
            continue;
        }
        // Required columns, the row's owner, the message and the conversation of a bubble, and all of `accounts` and
        // `sessions`, which `app.uid()` reads.
        let columns: Vec<(String, String)> = sqlx::query_as(
            "select column_name::text, udt_name::text from information_schema.columns
             where table_schema = 'public' and table_name = $1
               and (is_nullable = 'NO' and column_default is null
                 or column_name in ('id', 'user_id', 'message_id') or table_name in ('accounts', 'sessions')
                 or table_name = 'command_bubbles' and column_name = 'conversation_id')",
        )
        .bind(&table)
        .fetch_all(&mut *transaction)
        .await
        .expect("columns");
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        for person in [ADA, BEN] {
            let values: Vec<String> = columns
                .iter()
                .map(|(name, sql_type)| person.value(&table, name, sql_type))
                .collect();
            let sql = format!(
                "insert into {table} ({}) values ({})",
                names.join(", "),
                values.join(", ")
            );
            transaction
                .execute(AssertSqlSafe(sql))
                .await
                .unwrap_or_else(|error| panic!("no row for {table} can be made up: {error}"));
        }
    }
    let (ada, ben, own, group) = (ADA.id, BEN.id, ADA.conversation, GROUP);
    let more = format!(
        "insert into conversations (id, chat_guid, guid, mode) values ('{group}', 'g', 'g', 'group');
         insert into messages (conversation_id, user_id, role, text) values
           ('{group}', '{ada}', 'user', 'ada in the group'),
           ('{group}', '{ben}', 'user', 'ben in the group'),
           ('{group}', null, 'assistant', 'to the group'),
           ('{own}', null, 'assistant', 'to ada'),
           ('{own}', '{ben}', 'user', 'ben writes in the chat of ada')"
    );
    transaction
        .execute(AssertSqlSafe(more))
        .await
        .expect("more rows");
    transaction.commit().await.expect("committed");
}
