//! `POST /auth/verify/confirm`: exchanges a code for a session.
//!
//! A browser gets its session as a cookie, which a script cannot read, and a CSRF token in the body. An app gets its
//! tokens in the body. A code for the number of the client's session steps that session up. Any other code
//! begins a new session, which ends the one that the browser had before.

use std::sync::Arc;

use axum::extract::State;
use axum::response::AppendHeaders;
use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{AppSession, BrowserSession, CodeRequest, count_failure, record_event, session_cookie};
use crate::audit::{Event, EventKind, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{Json, SetCookies};
use crate::http::api_error::ApiError;
use crate::http::browser::cookies::CookieKind;
use crate::http::browser::csrf::{CsrfBinding, create_csrf_token};
use crate::http::browser::{Browser, Credentials};
use crate::http::context::Context;
use crate::http::json_body::JsonBody;
use crate::http::route::{Route, route};
use crate::known_device;
use crate::lifecycle::run_to_end;
use crate::otp::{Code, ConfirmError, ConfirmRequest};
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
    /// The `challenge_id` that `start` answered. If it is absent, the newest code counts.
    #[serde(default)]
    challenge_id: Option<Uuid>,
    /// The name of a new person.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    remember_me: bool,
}

/// The answer to a confirmed code.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Confirmed<'a> {
    SteppedUp(StepUpAnswer),
    Browser(BrowserSession),
    App(AppSession<'a>),
}

type Answer = (SetCookies, Json<Confirmed<'static>>);

/// The answer if the code steps up the session of the client.
#[derive(Serialize, ToSchema)]
#[schema(as = SteppedUp)]
struct StepUpAnswer {
    user_id: String,
    expires_at: Timestamp,
    step_up_until: Timestamp,
    /// The CSRF token, for browsers only.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf_token: Option<String>,
    /// The device token, for apps only. A browser gets a cookie instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
}

/// Exchanges a code for a session.
///
/// A browser gets cookies and a CSRF token. An app gets its tokens in the body. If the client is already
/// signed in with this number, the code steps that session up.
#[utoipa::path(post, path = "/auth/verify/confirm", tag = "auth")]
async fn confirm(
    State(app): State<Arc<App>>,
    context: Context,
    credentials: Credentials,
    headers: HeaderMap,
    JsonBody(body): JsonBody<Body>,
) -> Result<Answer, ApiError> {
    let request = CodeRequest::check(&app, &context, &credentials, &headers, &body.phone).await?;
    let code = Code::parse(&body.code).map_err(|fault| ApiError::invalid("code", fault))?;
    let name = body.name.as_deref().map(parse_name).transpose()?.flatten();
    let (session, phone, device) = (request.session, request.phone, request.device);
    let now = app.services.clock.now();
    let confirm_request = ConfirmRequest {
        phone: phone.clone(),
        code,
        challenge_id: body.challenge_id,
        binding: request.binding,
        client: context.client,
        device,
        session: session.as_ref().map(|session| session.id),
    };
    let approved = app.services.otp.confirm(&confirm_request, now).await;
    if let Err(ConfirmError::Expired) = approved
        && let Some(answer) = repeated_answer(
            &app,
            &credentials,
            session.as_deref(),
            &confirm_request,
            now,
        )
        .await?
    {
        return Ok(answer);
    }
    let kind = EventKind::CodeConfirm;
    match &approved {
        Ok(_) => record_event(&app, kind, "approved").await,
        Err(error @ ConfirmError::Wrong { .. }) => {
            record_event(&app, kind, error.outcome()).await;
        }
        Err(error) => count_failure(&app, &context, kind, error.outcome()),
    }
    let approved = approved?;
    let confirmed_code = ConfirmedCode {
        challenge_id: approved.challenge_id,
        is_test: approved.is_test,
    };
    let remember = Remember::of(body.remember_me);
    let session_to_step_up = match approved.step_up {
        Some(_) => Some(session.clone().ok_or(ApiError::SignedOut)?),
        None => session
            .clone()
            .filter(|session| steps_up(session, &phone, remember)),
    };
    if let Some(session) = session_to_step_up {
        return step_up(&app, &credentials, &session, confirmed_code, now).await;
    }
    let browser = credentials.browser();
    let sign_in = SignIn {
        phone: phone.clone(),
        code: confirmed_code,
        transport: browser.map_or(Transport::Bearer, |_| Transport::Cookie),
        remember,
        name,
        known_device: device,
        device: device_label(headers.get(USER_AGENT).map(HeaderValue::as_bytes)),
        replaces: browser.and(session).map(|session| session.id),
        client_ip: context.client,
    };
    // The work goes on if the client hangs up: a session must not exist at the provider without a row here.
    let work_app = Arc::clone(&app);
    let work = run_to_end(async move { work_app.services.sessions.sign_in(sign_in, now).await });
    let opened = work
        .await
        .unwrap_or(Err(SignInError::Unavailable { retry_after: 1 }));
    if let Err(SignInError::CodeUsed) = opened
        && let Some(answer) =
            repeated_answer(&app, &credentials, None, &confirm_request, now).await?
    {
        return Ok(answer);
    }
    if let Err(error) = &opened {
        let event = Event::new(EventKind::SignIn, error.outcome());
        record(&app.services.store, event, now).await;
    }
    let opened = opened?;
    let (session, refresh_token) = (&opened.session, &opened.refresh_token);
    if let Some(browser) = browser {
        let answer = browser_answer(&app, browser, &phone, session, refresh_token, now);
        return Ok(answer);
    }
    let device_token = app.services.known_devices.create_token(&phone, now);
    let device_token = Some(device_token.as_str());
    let answer = AppSession::of(session, &opened.access, refresh_token, device_token, now);
    let answer = Json::of(&Confirmed::App(answer));
    Ok((AppendHeaders(Vec::new()), answer))
}

/// Whether a confirmed code for `phone` steps the client's session up and begins no new session. This is so if the
/// session has the same number, unless the person now asks to stay signed in for longer than this session lasts.
fn steps_up(session: &Session, phone: &Phone, remember: Remember) -> bool {
    session.phone == phone.as_str() && (session.remember || remember == Remember::No)
}

/// Steps the session up, which uses up the confirmed code, and answers.
async fn step_up(
    app: &App,
    credentials: &Credentials,
    session: &Session,
    confirmed_code: ConfirmedCode,
    now: Timestamp,
) -> Result<Answer, ApiError> {
    app.services
        .sessions
        .step_up(session, &confirmed_code, now)
        .await?;
    let event = Event::new(EventKind::StepUp, "confirmed")
        .by_person(session.user_id)
        .in_session(session.id);
    record(&app.services.store, event, now).await;
    let until = now.plus(Session::STEP_UP_TTL);
    Ok(step_up_answer(app, credentials, session, until, now))
}

/// The answer to a client whose session is stepped up.
fn step_up_answer(
    app: &App,
    credentials: &Credentials,
    session: &Session,
    step_up_until: Timestamp,
    now: Timestamp,
) -> Answer {
    let phone = Phone::parse(&session.phone);
    let device_token = phone.map(|phone| app.services.known_devices.create_token(&phone, now));
    let mut answer = StepUpAnswer {
        user_id: session.user_id.to_string(),
        expires_at: session.ends_at(),
        step_up_until,
        csrf_token: None,
        device_token: None,
    };
    let mut cookies = Vec::new();
    if let Credentials::Browser(browser) = credentials {
        let binding = CsrfBinding::of_session(session.id);
        answer.csrf_token = Some(create_csrf_token(&app.services.keyring, binding));
        cookies.extend(device_token.map(|token| device_cookie(app, browser, &token)));
    } else {
        answer.device_token = device_token;
    }
    (
        AppendHeaders(cookies),
        Json::of(&Confirmed::SteppedUp(answer)),
    )
}

/// The header that gives a browser the cookie of a known device.
fn device_cookie(app: &App, browser: &Browser, token: &str) -> (HeaderName, HeaderValue) {
    let (kind, max_age) = (CookieKind::Device, known_device::TTL);
    app.pages.cookies.set(kind, token, max_age, browser.site)
}

/// The answer to a browser that has signed in.
fn browser_answer(
    app: &App,
    browser: &Browser,
    phone: &Phone,
    session: &Session,
    refresh_token: &SecretString,
    now: Timestamp,
) -> Answer {
    let device_token = app.services.known_devices.create_token(phone, now);
    let cookies = vec![
        session_cookie(app, browser, session, refresh_token, now),
        app.pages
            .cookies
            .clear(CookieKind::PreSession, browser.site),
        device_cookie(app, browser, &device_token),
    ];
    let answer = Confirmed::Browser(BrowserSession::of(session, app));
    (AppendHeaders(cookies), Json::of(&answer))
}

/// Answers a browser that sent its confirmation twice, for example by a double click, as it was answered before. `None`
/// if this is no such repetition.
async fn repeated_answer(
    app: &App,
    credentials: &Credentials,
    signed_in: Option<&Session>,
    confirm_request: &ConfirmRequest,
    now: Timestamp,
) -> Result<Option<Answer>, ApiError> {
    let Credentials::Browser(browser) = credentials else {
        return Ok(None);
    };
    let earlier = app.services.otp.find_repeated(confirm_request, now);
    let Some(earlier) = earlier.await? else {
        return Ok(None);
    };
    let (id, counter) = (earlier.session_id, earlier.token_counter);
    let just_confirmed = app
        .services
        .sessions
        .just_confirmed_session(id, counter, now);
    let Some((session, refresh_token)) = just_confirmed.await? else {
        return Ok(None);
    };
    // A browser that is signed in to this session has its cookie already.
    if signed_in.is_some_and(|signed_in| signed_in.id == id) {
        let until = session.stepped_up_until(now).unwrap_or(now);
        let answer = step_up_answer(app, credentials, &session, until, now);
        return Ok(Some(answer));
    }
    let phone = &confirm_request.phone;
    Ok(refresh_token.map(|token| browser_answer(app, browser, phone, &session, &token, now)))
}

/// The name of a person; `None` if it is only white space.
fn parse_name(text: &str) -> Result<Option<String>, ApiError> {
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
