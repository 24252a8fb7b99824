//! `GET /admin/users`: pages of users, newest first. The filter does not search phone numbers.

use http::header::{HeaderName, LINK};
use serde_json::{Value, json};
use stand_in::{Answer, Request};

use crate::auth::{Auth, query_value};
use crate::error::{AuthError, AuthResult};
use crate::user::{User, UserView};

const DEFAULT_PER_PAGE: usize = 50;

impl Auth {
    pub(crate) fn list_users(&self, request: &Request) -> AuthResult {
        let page = positive_parameter(request, "page", 1)?;
        let per_page = positive_parameter(request, "per_page", DEFAULT_PER_PAGE)?;
        let filter = query_value(request, "filter");
        let state = self.lock();
        let matching: Vec<&User> = state
            .users
            .iter()
            .rev()
            .filter(|user| matches_filter(user, &filter))
            .collect();
        let users: Vec<Value> = matching
            .iter()
            .skip((page - 1).saturating_mul(per_page))
            .take(per_page)
            .map(|user| user.to_json(UserView::Listed))
            .collect();
        let pages = matching.len().div_ceil(per_page);
        let mut link = format!("<{}>; rel=\"last\"", link_to(request, pages));
        if pages > page {
            link = format!("<{}>; rel=\"next\", {link}", link_to(request, page + 1));
        }
        let body = json!({ "users": users, "aud": "authenticated" });
        Ok(Answer::ok(&body).with(LINK, &link).with(
            HeaderName::from_static("x-total-count"),
            &matching.len().to_string(),
        ))
    }
}

/// Whether the e-mail address contains the filter (case-sensitive) or the full name does (in any case).
fn matches_filter(user: &User, filter: &str) -> bool {
    let name = user.user_metadata.get("full_name").and_then(Value::as_str);
    let name = name.unwrap_or_default().to_lowercase();
    filter.is_empty() || user.email.contains(filter) || name.contains(&filter.to_lowercase())
}

/// The value of a query parameter; `default` if it is absent or empty. Fails unless it is a number above zero.
fn positive_parameter(request: &Request, name: &str, default: usize) -> Result<usize, AuthError> {
    match query_value(request, name).as_str() {
        "" => Ok(default),
        text => {
            let number = text.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| {
                AuthError::validation(format!(
                    "Bad Pagination Parameters: strconv.ParseUint: parsing {text:?}: invalid syntax"
                ))
            })
        }
    }
}

/// The address of another page: the same query with its parameters in alphabetical order, without the
/// prefix of the hosted gateway, which the real server does not know.
fn link_to(request: &Request, page: usize) -> String {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(request.query.as_bytes())
        .filter(|(name, _)| name != "page")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    pairs.push(("page".to_owned(), page.to_string()));
    pairs.sort();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("/admin/users?{}", query.finish())
}
