//! What a person sees of themselves, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::people::{
    MessageRow, OnboardingRow, ProfileRow, RelationshipRow, TraitRow, UserRow,
};

use super::encode_cursor;

/// `GET /user/profile`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView<'a> {
    user: UserView<'a>,
    #[schema(value_type = Option<Value>)]
    trait_profile: Option<&'a RawValue>,
    relationship: Option<RelationshipView<'a>>,
    onboarding: OnboardingView<'a>,
}

impl<'a> From<&'a ProfileRow> for ProfileView<'a> {
    fn from(row: &'a ProfileRow) -> Self {
        Self {
            user: UserView::from(&row.user),
            trait_profile: row.trait_profile.as_ref().map(|profile| &*profile.0),
            relationship: row.relationship.as_ref().map(RelationshipView::from),
            onboarding: OnboardingView::from(row.onboarding.as_ref()),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserView<'a> {
    id: Uuid,
    phone: &'a str,
    name: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
    last_sign_in_at: Option<Timestamp>,
}

impl<'a> From<&'a UserRow> for UserView<'a> {
    fn from(row: &'a UserRow) -> Self {
        Self {
            id: row.id,
            phone: &row.phone,
            name: row.name.as_deref(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_sign_in_at: row.last_sign_in_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RelationshipView<'a> {
    persona_id: &'a str,
    stage: &'a str,
    trust_score: f64,
    message_count: i64,
    last_interaction_at: Option<Timestamp>,
}

impl<'a> From<&'a RelationshipRow> for RelationshipView<'a> {
    fn from(row: &'a RelationshipRow) -> Self {
        Self {
            persona_id: &row.persona_id,
            stage: &row.stage,
            trust_score: row.trust_score,
            message_count: row.message_count,
            last_interaction_at: row.last_interaction_at,
        }
    }
}

/// `GET /user/onboarding`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OnboardingView<'a> {
    /// A course of questions, and how far it has come.
    Begun {
        /// `in_progress` or `completed`.
        status: &'static str,
        /// Who asks.
        persona_id: &'a str,
        /// Where it stands.
        stage: &'a str,
        /// What was answered.
        #[schema(value_type = Value)]
        answers: &'a RawValue,
        /// Whether it has ended.
        completed: bool,
        /// When it began.
        started_at: Timestamp,
        /// When it last moved.
        updated_at: Timestamp,
        /// When it ended, if it has.
        completed_at: Option<Timestamp>,
    },
    /// Nothing was asked yet.
    NotStarted {
        /// `not_started`.
        status: &'static str,
    },
}

impl<'a> From<Option<&'a OnboardingRow>> for OnboardingView<'a> {
    fn from(row: Option<&'a OnboardingRow>) -> Self {
        let Some(row) = row else {
            return Self::NotStarted {
                status: "not_started",
            };
        };
        let completed = row.completed_at.is_some();
        Self::Begun {
            status: if completed {
                "completed"
            } else {
                "in_progress"
            },
            persona_id: &row.persona_id,
            stage: &row.stage,
            answers: &row.answers.0,
            completed,
            started_at: row.started_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        }
    }
}

/// `GET /user/traits`: by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct TraitsView<'a> {
    traits: BTreeMap<&'a str, TraitView<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
struct TraitView<'a> {
    #[schema(value_type = Value)]
    value: &'a RawValue,
    source: &'a str,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> From<&'a [TraitRow]> for TraitsView<'a> {
    fn from(rows: &'a [TraitRow]) -> Self {
        let view = |row: &'a TraitRow| TraitView {
            value: &row.value.0,
            source: &row.source,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        let named = rows.iter().map(|row| (row.name.as_str(), view(row)));
        Self {
            traits: named.collect(),
        }
    }
}

/// A page of `GET /user/messages`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagesPage<'a> {
    messages: Vec<MessageView<'a>>,
    next_cursor: Option<String>,
}

impl<'a> MessagesPage<'a> {
    /// The page of at most `size` that `rows` begin with. One row more says that there is another page.
    pub fn of(rows: &'a [MessageRow], size: usize) -> Self {
        let shown = &rows[..rows.len().min(size)];
        let last = shown.last().filter(|_| rows.len() > size);
        Self {
            messages: shown.iter().map(MessageView::from).collect(),
            next_cursor: last.map(|row| encode_cursor(row.position())),
        }
    }
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView<'a> {
    id: Uuid,
    conversation_id: Uuid,
    mode: &'a str,
    role: &'a str,
    text: &'a str,
    event: &'a str,
    revision: i32,
    message_guid: Option<&'a str>,
    service: Option<&'a str>,
    is_backfill: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    meta_data: Option<&'a RawValue>,
    sent_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl<'a> From<&'a MessageRow> for MessageView<'a> {
    fn from(row: &'a MessageRow) -> Self {
        Self {
            id: row.id,
            conversation_id: row.conversation_id,
            mode: &row.mode,
            role: &row.role,
            text: &row.text,
            event: &row.event,
            revision: row.revision,
            message_guid: row.message_guid.as_deref(),
            service: row.service.as_deref(),
            is_backfill: row.is_backfill,
            meta_data: row.meta_data.as_ref().map(|json| &*json.0),
            sent_at: row.sent_at,
            created_at: row.created_at,
        }
    }
}
