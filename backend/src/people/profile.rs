//! The JSON bodies of a person's profile, onboarding, traits and messages.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::store::people::{
    MessageRow, OnboardingRow, ProfileRow, RelationshipRow, TraitRow, UserRow,
};

use super::encode_cursor;

/// The answer to `GET /user/profile`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView<'a> {
    user: &'a UserRow,
    #[schema(value_type = Option<Value>)]
    trait_profile: Option<&'a Json<Box<RawValue>>>,
    relationship: Option<&'a RelationshipRow>,
    onboarding: OnboardingView<'a>,
}

impl<'a> From<&'a ProfileRow> for ProfileView<'a> {
    fn from(row: &'a ProfileRow) -> Self {
        Self {
            user: &row.user,
            trait_profile: row.trait_profile.as_ref(),
            relationship: row.relationship.as_ref(),
            onboarding: OnboardingView::from(row.onboarding.as_ref()),
        }
    }
}

/// The answer to `GET /user/onboarding`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum OnboardingView<'a> {
    /// The persona has begun to ask.
    Begun {
        /// `in_progress` or `completed`.
        status: &'static str,
        /// The persona that asks.
        persona_id: &'a str,
        /// The current stage of the questions.
        stage: &'a str,
        /// The answers of the person so far.
        #[schema(value_type = Value)]
        answers: &'a RawValue,
        /// Whether the questions have ended.
        completed: bool,
        /// When the questions began.
        started_at: Timestamp,
        /// When the stage or the answers last changed.
        updated_at: Timestamp,
        /// When the questions ended, if they have.
        completed_at: Option<Timestamp>,
    },
    /// The persona has not asked yet.
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

/// The traits of the person by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct TraitsView<'a> {
    traits: BTreeMap<&'a str, &'a TraitRow>,
}

impl<'a> From<&'a [TraitRow]> for TraitsView<'a> {
    fn from(rows: &'a [TraitRow]) -> Self {
        let named = rows.iter().map(|row| (row.name.as_str(), row));
        Self {
            traits: named.collect(),
        }
    }
}

/// A page of `GET /user/messages`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessagesPage<'a> {
    messages: Vec<&'a MessageRow>,
    next_cursor: Option<String>,
}

impl<'a> MessagesPage<'a> {
    /// Takes the first `size` of `rows`. If `rows` has more than `size`, there is a next page.
    pub fn of(rows: &'a [MessageRow], size: usize) -> Self {
        let page = &rows[..rows.len().min(size)];
        let last = page.last().filter(|_| rows.len() > size);
        Self {
            messages: page.iter().collect(),
            next_cursor: last.map(|row| encode_cursor(row.position())),
        }
    }
}
