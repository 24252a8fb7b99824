//! A route: one method of one path, with its handler and its description.
//!
//! The types of the handler describe the accepted callers, the request and the answer. Only the problems that the
//! handler itself returns are listed, in the `route!` macro next to the handler.

mod access;
mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use shared_protocol::{Problem, ProblemCode};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{AllOfBuilder, Content, ObjectBuilder, Ref, Response, Type};
use utoipa_axum::router::UtoipaMethodRouter;

use super::App;
use super::api_error::status_of;

pub use access::RouteAccess;
pub(super) use access::{RELAY_SIGNATURE, schemes};
pub(super) use signature::{
    HandlerAnswer, HandlerArgument, Schemas, Signature, describe_json_body, json_content,
};

/// The problems that every route may answer.
const COMMON_PROBLEMS: [ProblemCode; 3] = [
    ProblemCode::BadRequest,
    ProblemCode::DevelopmentOnly,
    ProblemCode::Internal,
];

/// The extension of `OpenAPI` that names the callers of a route in words.
pub(super) const WHO_MAY_CALL: &str = "x-who-may-call";

/// One method of one path, in the public list of routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    pub method: Method,
    /// `{id}` stands for one segment.
    pub path: String,
    pub access: RouteAccess,
}

/// A route with its handler and its description.
pub(super) struct Route {
    pub(super) entry: RouteEntry,
    pub(super) method_router: UtoipaMethodRouter<Arc<App>>,
}

/// Makes a route of a handler under `#[utoipa::path]` and the problems that the handler itself returns.
macro_rules! route {
    ($handler:ident $(, $problem:ident)*) => {
        $crate::http::route::Route::of(
            utoipa_axum::routes!($handler),
            &$crate::http::route::Signature::of(&$handler),
            &[$(shared_protocol::ProblemCode::$problem),*],
        )
    };
}
pub(super) use route;

impl Route {
    pub(super) fn of(
        (mut schemas, mut paths, handler): UtoipaMethodRouter<Arc<App>>,
        signature: &Signature,
        handler_problems: &[ProblemCode],
    ) -> Self {
        let first = paths.paths.iter_mut().next();
        let (path, item) = first.expect("one handler has one path");
        let path = path.clone();
        let (method, operation) = operation_of(item).expect("one handler has one method");
        (signature.describe)(operation, &mut schemas);
        let problems = [
            handler_problems,
            &signature.extraction_problems,
            &COMMON_PROBLEMS,
        ]
        .concat();
        describe_problems(operation, &problems);
        // An argument may have set requirements that differ from those of its callers in general.
        if operation.security.is_none() {
            operation.security = Some(signature.access.security(&method));
        }
        let in_words = (WHO_MAY_CALL, signature.access.into_str());
        operation.extensions = Some(Extensions::from_iter([in_words]));
        json_content::<Problem>(&mut schemas);
        let entry = RouteEntry {
            method,
            path,
            access: signature.access,
        };
        Self {
            entry,
            method_router: (schemas, paths, handler),
        }
    }
}

/// The only method of a path that has one handler, and the description of the handler.
fn operation_of(item: &mut PathItem) -> Option<(Method, &mut Operation)> {
    let PathItem {
        get,
        put,
        post,
        delete,
        patch,
        ..
    } = item;
    [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::PATCH, patch),
    ]
    .into_iter()
    .find_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Adds one answer to the description for each status that the problems have, with the codes of those problems.
fn describe_problems(operation: &mut Operation, problems: &[ProblemCode]) {
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in problems {
        let codes = by_status.entry(status_of(*code).as_u16()).or_default();
        if !codes.contains(&code.as_str()) {
            codes.push(code.as_str());
        }
    }
    for (status, mut codes) in by_status {
        codes.sort_unstable();
        let mut response = Response::new(codes.join(", "));
        let codes = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(codes));
        let schema = AllOfBuilder::new()
            .item(Ref::from_schema_name("Problem"))
            .item(ObjectBuilder::new().property("code", codes));
        let content = Content::new(Some(schema));
        let media_type = "application/problem+json".to_owned();
        response.content.insert(media_type, content.into());
        let responses = &mut operation.responses.responses;
        responses.insert(status.to_string(), response.into());
    }
}
