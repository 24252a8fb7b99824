//! One method of one path, with its handler, and everything that is told of it.
//!
//! Nothing is told beside the handler: who may call, what is sent and what is answered follow from its
//! types. What its own words may end with beyond that stands where it is made a route.

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

pub use access::Access;
pub(super) use access::{RELAY_SIGNATURE, schemes};
pub(super) use signature::{
    Answers, Argument, Schemas, Signature, answers_with, json_content, sends, text,
};

/// What any request may end with, whatever it asks for.
const OF_EVERY_ROUTE: [ProblemCode; 3] = [
    ProblemCode::BadRequest,
    ProblemCode::DevelopmentOnly,
    ProblemCode::Internal,
];

/// Where the description says in words who may call.
pub(super) const WHO_MAY_CALL: &str = "x-who-may-call";

/// One method of one path.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) access: Access,
    pub(super) served: UtoipaMethodRouter<Arc<App>>,
}

/// The route of a handler under `#[utoipa::path]`, and the problems that its own words may end with.
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
        own: &[ProblemCode],
    ) -> Self {
        let described = paths.paths.iter_mut().next();
        let (path, item) = described.expect("one handler has one path");
        let path = path.clone();
        let (method, operation) = operation_of(item).expect("one handler has one method");
        (signature.describe)(operation, &mut schemas);
        let problems = [own, &signature.problems, &OF_EVERY_ROUTE].concat();
        describe_problems(operation, &problems);
        if operation.security.is_none() {
            operation.security = Some(signature.access.security(&method));
        }
        let in_words = (WHO_MAY_CALL, signature.access.as_str());
        operation.extensions = Some(Extensions::from_iter([in_words]));
        json_content::<Problem>(&mut schemas);
        Self {
            method,
            path,
            access: signature.access,
            served: (schemas, paths, handler),
        }
    }
}

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

/// A problem of each status, with the codes that it may have here.
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
        let kind = "application/problem+json".to_owned();
        response.content.insert(kind, content.into());
        let responses = &mut operation.responses.responses;
        responses.insert(status.to_string(), response.into());
    }
}
