//! `POST /auth/verify/confirm`: a code, for a session.
//!
//! A browser gets cookies and a CSRF token, and no token in the body that a script could keep; an app
//! gets its tokens. A code of the number that is signed in already steps that session up, which stays as
//! it is; any other begins a new session, and what the browser had before is worth nothing afterwards.

use std::sync::Arc;

use axum::extract::State;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    AppSession, Asking, BrowserSession, admit, asking, device_of, keep, max_age, turned_away,
};
use crate::audit::{Event, EventKind, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{Binding, issue};
use crate::http::browser::{Browser, Visitor};
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::route::{Route, route};
use crate::known_device;
use crate::lifecycle::run_to_end;
use crate::otp::{Code, Confirm, ConfirmError};
use crate::people::PersonName;
use crate::phone::Phone;
use crate::sessions::{Remember, Session, SignIn, SignInError, Transport, device_label};
use crate::store::sessions::ConfirmedCode;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(
        confirm,
        AccountRefused,
        CodeExpired,
        CsrfFailed,
        InvalidPhone,
        PhoneNotServed,
        ProviderUnavailable,
        RateLimited,
        TooManyAttempts,
        Unauthorized,
        WrongCode
    )]
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ConfirmBody)]
struct Body {
    phone: String,
    code: String,
    /// Of the answer to `start`. Without it the newest code counts.
    #[serde(default)]
    challenge_id: Option<Uuid>,
    /// What a new person wants to be called.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    remember_me: bool,
}

/// What a confirmed code is answered with.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Confirmed<'a> {
    SteppedUp(SteppedUp),
    Browser(BrowserSession),
    App(AppSession<'a>),
}

type Answer = (SetCookies, Json<Confirmed<'static>>);

/// What the page or the app of a session gets that goes on.
#[derive(Serialize, ToSchema)]
struct SteppedUp {
    user_id: String,
    expires_at: Timestamp,
    step_up_until: Timestamp,
    /// For a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
    /// For an app. A page gets its cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

/// A code, for a session.
///
/// A browser gets cookies and a CSRF token, an app its tokens. A code of the number that is signed in
/// already steps that session up.
#[utoipa::path(post, path = "/auth/verify/confirm", tag = "auth")]
async fn confirm(
    State(app): State<Arc<App>>,
    context: Context,
    visitor: Visitor,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Body>,
) -> Result<Answer, ApiError> {
    admit(&app, context.client)?;
    let Asking { session, binding } = asking(&visitor, &headers, &app).await?;
    let phone = app
        .services
        .otp
        .parse_phone(&body.phone)
        .map_err(ApiError::InvalidPhone)?;
    let code = Code::parse(&body.code).map_err(|fault| ApiError::invalid("code", fault))?;
    let name = body.name.as_deref().map(told_name).transpose()?.flatten();
    let now = app.services.clock.now();
    let device = device_of(&visitor, &headers, session.as_deref(), &phone, &app, now);
    let ask = Confirm {
        phone: phone.clone(),
        code,
        challenge_id: body.challenge_id,
        binding,
        client: context.client,
        device,
        session: session.as_ref().map(|session| session.id),
    };
    let request_id = context.request_id.as_str();
    let approved = app.services.otp.confirm(&ask, now).await;
    if let Err(ConfirmError::Expired) = approved
        && let Some(answer) = repeated(&app, &visitor, session.as_deref(), &ask, now).await?
    {
        return Ok(answer);
    }
    let kind = EventKind::CodeConfirm;
    match &approved {
        Ok(_) => keep(&app, &context, kind, "approved").await,
        Err(error @ ConfirmError::Wrong { .. }) => {
            keep(&app, &context, kind, error.outcome()).await;
        }
        Err(error) => turned_away(&app, &context, kind, error.outcome()),
    }
    let approved = approved?;
    let confirmed = ConfirmedCode {
        challenge_id: approved.challenge_id,
        is_test: approved.is_test,
    };
    let stepped_up = match approved.step_up {
        Some(_) => Some(session.clone().ok_or(ApiError::SignedOut)?),
        None => session
            .clone()
            .filter(|session| goes_on(session, &phone, Remember::of(body.remember_me))),
    };
    if let Some(session) = stepped_up {
        return step_up(&app, &visitor, &session, confirmed, request_id, now).await;
    }
    let browser = match &visitor {
        // With an access token it asked as an app, and is answered as one.
        Visitor::Browser(browser) if !headers.contains_key(http::header::AUTHORIZATION) => {
            Some(browser)
        }
        _ => None,
    };
    let confirm = ask;
    let ask = SignIn {
        phone: phone.clone(),
        code: confirmed,
        transport: browser.map_or(Transport::Bearer, |_| Transport::Cookie),
        remember: Remember::of(body.remember_me),
        name,
        known_device: device,
        device: device_label(headers.get(USER_AGENT).map(HeaderValue::as_bytes)),
        replaces: browser.and(session).map(|session| session.id),
        client: context.client,
        request_id: request_id.to_owned(),
    };
    // A client that hangs up half-way must not leave a session at the provider that no row tells of.
    let sign_in = Arc::clone(&app);
    let work = run_to_end(async move { sign_in.services.sessions.sign_in(ask, now).await });
    let opened = work
        .await
        .unwrap_or(Err(SignInError::Unavailable { retry_after: 1 }));
    if let Err(SignInError::CodeUsed) = opened
        && let Some(answer) = repeated(&app, &visitor, None, &confirm, now).await?
    {
        return Ok(answer);
    }
    if let Err(error) = &opened {
        let event = Event::new(EventKind::SignIn, error.outcome()).by_request(request_id);
        record(&app.services.store, event, now).await;
    }
    let opened = opened?;
    let (session, refresh_token) = (&opened.session, &opened.refresh_token);
    if let Some(browser) = browser {
        return Ok(for_browser(
            &app,
            browser,
            &phone,
            session,
            refresh_token,
            now,
        ));
    }
    let device = app.services.known_devices.remember(&phone, now);
    let answer = AppSession::of(session, &opened.access, refresh_token, Some(&device), now);
    let answer = Json::of(&Confirmed::App(answer));
    Ok((SetCookies::default(), answer))
}

/// Whether a code that was confirmed in a session of the same number steps that session up, instead of
/// beginning another one: unless the person now asks to stay signed in for longer.
fn goes_on(session: &Session, phone: &Phone, remember: Remember) -> bool {
    session.phone == phone.as_str() && (session.remember || remember == Remember::No)
}

async fn step_up(
    app: &App,
    visitor: &Visitor,
    session: &Session,
    confirmed: ConfirmedCode,
    request_id: &str,
    now: Timestamp,
) -> Result<Answer, ApiError> {
    app.services
        .sessions
        .step_up(session, &confirmed, now)
        .await?;
    let event = Event::new(EventKind::StepUp, "confirmed")
        .of(session.user_id)
        .in_session(session.id)
        .by_request(request_id);
    record(&app.services.store, event, now).await;
    let until = now.plus(Session::STEP_UP_TTL);
    Ok(gone_on(app, visitor, session, until, now))
}

/// The session goes on, and its code counts until then.
fn gone_on(
    app: &App,
    visitor: &Visitor,
    session: &Session,
    step_up_until: Timestamp,
    now: Timestamp,
) -> Answer {
    let phone = Phone::parse(&session.phone);
    let device = phone.map(|phone| app.services.known_devices.remember(&phone, now));
    let mut answer = SteppedUp {
        user_id: session.user_id.to_string(),
        expires_at: session.ends_at(),
        step_up_until,
        csrf_token: None,
        device_token: None,
    };
    let mut cookies = SetCookies::default();
    if let Visitor::Browser(browser) = visitor {
        answer.csrf_token = Some(issue(
            &app.services.keyring,
            Binding::of_session(session.id),
        ));
        if let Some(device) = device {
            let rules = app.pages.cookies;
            cookies.add(rules.set(CookieKind::Device, &device, known_device::TTL, browser.site));
        }
    } else {
        answer.device_token = device;
    }
    (cookies, Json::of(&Confirmed::SteppedUp(answer)))
}

fn for_browser(
    app: &App,
    browser: &Browser,
    phone: &Phone,
    session: &Session,
    token: &SecretString,
    now: Timestamp,
) -> Answer {
    let device = app.services.known_devices.remember(phone, now);
    let (rules, site) = (app.pages.cookies, browser.site);
    let (token, age) = (token.expose_secret(), max_age(session, now));
    let cookies = [
        rules.set(CookieKind::Session, token, age, site),
        rules.clear(CookieKind::PreSession, site),
        rules.set(CookieKind::Device, &device, known_device::TTL, site),
    ];
    let answer = Confirmed::Browser(BrowserSession::of(session, app));
    (cookies.into(), Json::of(&answer))
}

/// The same answer once more for a browser that has sent its confirmation twice, by a double click.
async fn repeated(
    app: &App,
    visitor: &Visitor,
    signed_in: Option<&Session>,
    ask: &Confirm,
    now: Timestamp,
) -> Result<Option<Answer>, ApiError> {
    let Visitor::Browser(browser) = visitor else {
        return Ok(None);
    };
    let Some(before) = app.services.otp.just_confirmed(ask, now).await? else {
        return Ok(None);
    };
    let (id, counter) = (before.session_id, before.token_counter);
    let Some((session, token)) = app
        .services
        .sessions
        .begun_just_now(id, counter, now)
        .await?
    else {
        return Ok(None);
    };
    // In the session itself its cookie is there already. Elsewhere it is needed.
    if signed_in.is_some_and(|signed_in| signed_in.id == id) {
        let until = session.stepped_up_until(now).unwrap_or(now);
        return Ok(Some(gone_on(app, visitor, &session, until, now)));
    }
    Ok(token.map(|token| for_browser(app, browser, &ask.phone, &session, &token, now)))
}

/// A name that is only space is none.
fn told_name(text: &str) -> Result<Option<String>, ApiError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let name = PersonName::parse(text).map_err(|fault| ApiError::invalid("name", fault))?;
    Ok(Some(name.as_str().to_owned()))
}

impl From<ConfirmError> for ApiError {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::Wrong { attempts_left } => Self::WrongCode { attempts_left },
            ConfirmError::Expired => Self::CodeExpired,
            ConfirmError::TooManyAttempts { retry_after } => Self::TooManyAttempts { retry_after },
            ConfirmError::Unavailable { retry_after } => Self::ProviderUnavailable { retry_after },
            ConfirmError::Store(error) => error.into(),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::CodeUsed => Self::CodeExpired,
            SignInError::AccountRefused => Self::AccountRefused,
            SignInError::Unavailable { retry_after } => Self::ProviderUnavailable { retry_after },
            SignInError::Store(error) => error.into(),
        }
    }
}
