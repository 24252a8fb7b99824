//! `GET /user/messages?cursor=&limit=&conversation_id=`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use super::{invalid, parameter, reader};
use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::people::{MessagesPage, PageSize, parse_cursor};
use crate::store::people::{MessagePosition, MessageQuery};

pub(in crate::http) async fn messages(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let given = |name| parameter(query.as_deref(), name);
    let size = given("limit").map_or(Ok(PageSize::default()), |text| text.parse());
    let size = size.map_err(|fault| invalid("limit", &fault))?;
    let below = given("cursor").map_or(Ok(MessagePosition::TOP), |text| parse_cursor(&text));
    let below = below.map_err(|fault| invalid("cursor", &fault))?;
    let conversation_id = given("conversation_id").map(|text| Uuid::try_parse(&text));
    let conversation_id = conversation_id
        .transpose()
        .map_err(|_| invalid("conversation_id", &"must be a UUID"))?;
    let query = MessageQuery {
        below,
        // One more tells whether there is another page.
        limit: size.get() + 1,
        conversation_id,
    };
    let rows = app.store.messages(&reader(&signed_in), query).await?;
    let page = MessagesPage::of(&rows, size.get() as usize);
    Ok(json(StatusCode::OK, &page))
}
