//! The answer to a sign-in or a refresh: access token, refresh token and user.

use http::StatusCode;
use http::header::HeaderName;
use serde_json::{Value, json};
use stand_in::{Answer, random};
use uuid::Uuid;

use crate::auth::Auth;
use crate::refresh_token::V1_LENGTH;
use crate::state::{RefreshRow, Session, State};
use crate::user::{User, UserView};

const V1_ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The number of a token's first characters that an answer repeats in a header.
const V1_PREFIX_LEN: usize = 5;

/// The refresh token for an answer, with the answer's headers about it. The token is new, or it is sent again because
/// the answer that had it may have been lost.
#[derive(Debug)]
pub(crate) struct IssuedToken {
    pub(crate) session: Uuid,
    pub(crate) token: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl IssuedToken {
    /// A random token, which the server stores.
    pub(crate) fn v1(session: Uuid, token: String) -> Self {
        let prefix = token[..V1_PREFIX_LEN].to_owned();
        Self {
            session,
            token,
            headers: vec![("sb-auth-refresh-token-prefix", prefix)],
        }
    }

    /// A signed token with the session's counter, which the server does not store. `None` for a session with the older
    /// kind of token.
    pub(crate) fn v2(session: &Session) -> Option<Self> {
        let token = session.signer.as_ref()?.token(session.id, session.counter);
        Some(Self {
            session: session.id,
            token,
            headers: vec![("sb-auth-refresh-token-counter", session.counter.to_string())],
        })
    }

    /// Adds a header to the answer.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Auth {
    /// Opens a session for a user and issues its first refresh token.
    pub(crate) fn sign_in(
        &self,
        state: &mut State,
        user: Uuid,
        method: &'static str,
    ) -> IssuedToken {
        let session = state.open_session(user, method, self.settings.refresh_tokens, self.now());
        let signed = state.session(session).and_then(IssuedToken::v2);
        signed
            .unwrap_or_else(|| IssuedToken::v1(session, self.add_refresh_row(state, session, None)))
    }

    /// Stores a new refresh token of the older kind and returns it.
    pub(crate) fn add_refresh_row(
        &self,
        state: &mut State,
        session: Uuid,
        parent: Option<String>,
    ) -> String {
        let token = random::string(V1_LENGTH, V1_ALPHABET);
        state.refresh_rows.push(RefreshRow {
            token: token.clone(),
            session,
            parent,
            revoked: false,
            updated_at: self.now(),
        });
        token
    }

    /// The body and headers of a successful sign-in or refresh.
    pub(crate) fn session_answer(&self, state: &State, issued: IssuedToken) -> Answer {
        let body = self.session_body(state, &issued);
        with_auth_headers(&body, state, issued)
    }

    /// The answer to a password grant, whose body also has a field about a weak password.
    pub(crate) fn password_grant_answer(
        &self,
        state: &State,
        issued: IssuedToken,
        weak_password: Value,
    ) -> Answer {
        let mut body = self.session_body(state, &issued);
        body["weak_password"] = weak_password;
        with_auth_headers(&body, state, issued)
    }

    fn session_body(&self, state: &State, issued: &IssuedToken) -> Value {
        let (session, user) = session_and_user(state, issued.session);
        let expires_in = self.settings.access_token_ttl.as_secs();
        let issued_at = self.now().unix_timestamp();
        let expires_at = issued_at.saturating_add_unsigned(expires_in);
        let claims = json!({
            "iss": self.issuer(),
            "sub": user.id,
            "aud": "authenticated",
            "exp": expires_at,
            "iat": issued_at,
            "email": user.email,
            "phone": user.phone,
            "app_metadata": user.app_metadata,
            "user_metadata": user.user_metadata,
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{
                "method": session.method,
                "timestamp": session.created_at.unix_timestamp(),
            }],
            "session_id": session.id,
            "is_anonymous": false,
        });
        json!({
            "access_token": self.keys.sign(&self.keys.token_header(), &claims),
            "token_type": "bearer",
            "expires_in": expires_in,
            "expires_at": expires_at,
            "refresh_token": issued.token,
            "user": user.to_json(UserView::Stored),
        })
    }
}

fn session_and_user(state: &State, session: Uuid) -> (&Session, &User) {
    let session = state
        .session(session)
        .expect("the session was just opened or refreshed");
    let user = state.user(session.user).expect("a session's user exists");
    (session, user)
}

fn with_auth_headers(body: &Value, state: &State, issued: IssuedToken) -> Answer {
    let (session, user) = session_and_user(state, issued.session);
    let mut answer = Answer::json(StatusCode::OK, body);
    let ids = [
        ("sb-auth-user-id", user.id.to_string()),
        ("sb-auth-session-id", session.id.to_string()),
    ];
    for (name, value) in ids.into_iter().chain(issued.headers) {
        answer = answer.with(HeaderName::from_static(name), &value);
    }
    answer
}
