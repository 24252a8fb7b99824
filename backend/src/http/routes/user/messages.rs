//! `GET /user/messages?cursor=&limit=&conversation_id=`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use uuid::Uuid;

use super::{parameter, reader};
use crate::http::App;
use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::SignedIn;
use crate::http::route::{Route, route};
use crate::people::{MessagesPage, PageSize, parse_cursor};
use crate::store::people::{MessagePosition, MessageQuery};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(messages, InvalidFields)]
}

/// Lists the person's messages, newest first.
#[utoipa::path(
    get,
    path = "/user/messages",
    tag = "user",
    params(
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the previous page"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100),
        ("conversation_id" = Option<Uuid>, Query, description = "Only messages of this conversation"),
    )
)]
async fn messages(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Json<MessagesPage<'static>>, ApiError> {
    let value_of = |name| parameter(query.as_deref(), name);
    let size = value_of("limit").map_or(Ok(PageSize::default()), |text| text.parse());
    let size = size.map_err(|fault| ApiError::invalid("limit", fault))?;
    let below = value_of("cursor").map_or(Ok(MessagePosition::TOP), |text| parse_cursor(&text));
    let below = below.map_err(|fault| ApiError::invalid("cursor", fault))?;
    let conversation_id = value_of("conversation_id").map(|text| Uuid::try_parse(&text));
    let conversation_id = conversation_id
        .transpose()
        .map_err(|_| ApiError::invalid("conversation_id", "must be a UUID"))?;
    let query = MessageQuery {
        below,
        // One more than the page shows whether there is another page.
        limit: size.get() + 1,
        conversation_id,
    };
    let rows = app
        .services
        .store
        .messages(&reader(&signed_in), query)
        .await?;
    let page = MessagesPage::of(&rows, size.get() as usize);
    Ok(Json::of(&page))
}
