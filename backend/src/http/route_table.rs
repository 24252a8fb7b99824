//! Every route, and who may call it: what the router is built from, and what `archety-backend routes`
//! prints.

use std::sync::Arc;

use axum::routing::{MethodRouter, delete, get, patch, post, put};
use shared_protocol::{LEGACY_MESSAGE_ROUTE, MESSAGE_ROUTE, PULL_ROUTE};

use super::access::Access;
use super::{App, routes};

/// A path and what it takes.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) methods: Vec<(&'static str, Access)>,
    pub(super) handler: MethodRouter<Arc<App>>,
}

/// One line of the public list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The path; `{id}` stands for one segment.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
}

/// Every route with who may call it, in the order of the documents.
pub fn list() -> Vec<RouteEntry> {
    routes()
        .into_iter()
        .flat_map(|route| {
            let path = route.path;
            route
                .methods
                .into_iter()
                .map(move |(method, access)| RouteEntry {
                    method,
                    path,
                    access,
                })
        })
        .collect()
}

/// A path with its methods: `route!("/path", GET Public get(handler))`.
macro_rules! route {
    ($path:expr, $($method:ident $access:ident $handler:expr),+) => {
        Route {
            path: $path,
            methods: vec![$((stringify!($method), Access::$access)),+],
            handler: MethodRouter::new()$(.merge($handler))+,
        }
    };
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        route!("/auth/verify/start", POST Public post(routes::start)),
        route!("/auth/verify/confirm", POST Public post(routes::confirm)),
        route!("/auth/session", GET Public get(routes::session)),
        route!("/auth/csrf-token", GET Public get(routes::csrf_token)),
        route!("/auth/refresh", POST RefreshToken post(routes::refresh)),
        route!("/auth/logout", POST User post(routes::logout)),
        route!("/auth/sessions", GET User get(routes::list_sessions)),
        route!("/auth/sessions/{id}", DELETE User delete(routes::delete_session)),
        route!(
            "/user/profile",
            GET User get(routes::profile),
            PATCH User patch(routes::change_profile)
        ),
        route!(
            "/user/traits",
            GET User get(routes::traits),
            PUT User put(routes::set_traits),
            DELETE User delete(routes::delete_traits)
        ),
        route!("/user/onboarding", GET User get(routes::onboarding)),
        route!("/user/messages", GET User get(routes::messages)),
        route!("/user/export", GET SteppedUpUser get(routes::export)),
        route!("/user", DELETE SteppedUpUser delete(routes::delete_person)),
        route!(MESSAGE_ROUTE, POST Relay post(routes::message)),
        route!(LEGACY_MESSAGE_ROUTE, POST Relay post(routes::edge_message)),
        route!("/photo/upload", POST Relay post(routes::photo)),
        route!("/edge/ws", GET Relay get(routes::web_socket)),
        route!(PULL_ROUTE, POST Relay post(routes::pull)),
        route!("/healthz", GET Public get(routes::health)),
        route!("/health", GET Public get(routes::health)),
        route!("/readyz", GET Public get(routes::ready)),
        route!("/metrics", GET MetricsToken get(routes::metrics)),
        route!("/.well-known/jwks.json", GET Public get(routes::jwks)),
    ]
}
