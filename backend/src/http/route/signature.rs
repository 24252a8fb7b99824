//! Derives the description of a route from the types of its handler. The arguments give the accepted callers, the
//! request, and the problems that reading the request may cause. The return type gives the answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use shared_protocol::ProblemCode;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{Content, Ref, RefOr, Required, Schema};

use super::RouteAccess;
use crate::http::App;
use crate::http::api_error::ApiError;

/// The schemas of a description, by name.
pub(in crate::http) type Schemas = Vec<(String, RefOr<Schema>)>;

/// An argument of a route's handler. It describes itself for the `OpenAPI` document.
pub(in crate::http) trait HandlerArgument {
    /// The callers that the argument accepts.
    const ACCESS: RouteAccess = RouteAccess::Public;
    /// The problems with which extracting the argument from a request may fail, in groups.
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] = &[];

    /// Adds the parts of the request that the argument reads to the description.
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

/// A handler with the state may use the store, which may be unavailable.
impl HandlerArgument for State<Arc<App>> {
    const EXTRACTION_PROBLEMS: &'static [&'static [ProblemCode]] =
        &[&[ProblemCode::StoreUnavailable, ProblemCode::ShuttingDown]];
}

impl HandlerArgument for HeaderMap {}
impl HandlerArgument for RawQuery {}
impl<T> HandlerArgument for Path<T> {}

/// The return type of a route's handler. It describes itself for the `OpenAPI` document.
pub(in crate::http) trait HandlerAnswer {
    /// Adds the statuses and bodies of successful answers to the description.
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

/// The answer of a handler that always fails.
impl HandlerAnswer for Infallible {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

/// A handler that returns a plain response describes its answers by `responses` in its `#[utoipa::path]`.
impl HandlerAnswer for axum::response::Response {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<T: HandlerAnswer> HandlerAnswer for Result<T, ApiError> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

/// The description of a route that follows from the types of its handler.
pub(in crate::http) struct Signature {
    pub(super) access: RouteAccess,
    /// The problems with which extracting the arguments may fail.
    pub(super) extraction_problems: Vec<ProblemCode>,
    /// Adds the arguments and the answer to the description.
    pub(super) describe: fn(&mut Operation, &mut Schemas),
}

impl Signature {
    pub(in crate::http) fn of<Arguments, H: Handler<Arguments>>(_: &H) -> Self {
        Self {
            access: H::ACCESS,
            extraction_problems: H::EXTRACTION_PROBLEMS.concat().concat(),
            describe: H::describe,
        }
    }
}

/// A function whose arguments and return type can be described.
pub(in crate::http) trait Handler<Arguments> {
    const ACCESS: RouteAccess;
    const EXTRACTION_PROBLEMS: &'static [&'static [&'static [ProblemCode]]];

    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

macro_rules! handlers {
    ($(($($argument:ident),*))*) => {$(
        impl<F, Answer, $($argument),*> Handler<($($argument,)*)> for F
        where
            F: AsyncFn($($argument),*) -> Answer,
            Answer: HandlerAnswer,
            $($argument: HandlerArgument,)*
        {
            const ACCESS: RouteAccess = RouteAccess::of_all(&[$($argument::ACCESS),*]);
            const EXTRACTION_PROBLEMS: &'static [&'static [&'static [ProblemCode]]] =
                &[$($argument::EXTRACTION_PROBLEMS),*];

            fn describe(operation: &mut Operation, schemas: &mut Schemas) {
                $($argument::describe(operation, schemas);)*
                Answer::describe(operation, schemas);
            }
        }
    )*};
}

handlers! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) }

/// Describes a request body that is a `T` as JSON.
pub(in crate::http) fn describe_json_body<T: ToSchema>(
    operation: &mut Operation,
    schemas: &mut Schemas,
    required: Required,
) {
    let body = RequestBodyBuilder::new()
        .content("application/json", json_content::<T>(schemas))
        .required(Some(required));
    operation.request_body = Some(body.build().into());
}

/// A reference to the schema of `T`, which is added to `schemas`.
pub(in crate::http) fn json_content<T: ToSchema>(schemas: &mut Schemas) -> Content {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    Content::new(Some(Ref::from_schema_name(T::name())))
}
