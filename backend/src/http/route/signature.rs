//! A handler's signature, read for its route: its arguments say who may call, what is sent and how that
//! may fail; its return type says what is answered.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use http::HeaderMap;
use shared_protocol::ProblemCode;
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Required, Response, Schema, Type};

use super::Access;
use crate::http::App;
use crate::http::api_error::ApiError;

/// Schemas by name, as they are collected.
pub(in crate::http) type Schemas = Vec<(String, RefOr<Schema>)>;

/// An argument of handlers.
pub(in crate::http) trait Argument {
    /// Whom it lets in.
    const ACCESS: Access = Access::Public;
    /// How a request may fail on its account.
    const PROBLEMS: &'static [&'static [ProblemCode]] = &[];

    /// Describes what it reads of the request.
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

/// Every argument that works with the store may find it away.
impl Argument for State<Arc<App>> {
    const PROBLEMS: &'static [&'static [ProblemCode]] =
        &[&[ProblemCode::StoreUnavailable, ProblemCode::ShuttingDown]];
}

impl Argument for HeaderMap {}
impl Argument for RawQuery {}
impl<T> Argument for Path<T> {}

/// What handlers answer with when all went well.
pub(in crate::http) trait Answers {
    /// Adds its statuses and bodies.
    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

/// What never goes well.
impl Answers for Infallible {
    fn describe(_: &mut Operation, _: &mut Schemas) {}
}

impl<T: Answers> Answers for Result<T, ApiError> {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        T::describe(operation, schemas);
    }
}

/// What the types of a handler say.
pub(in crate::http) struct Signature {
    pub(super) access: Access,
    pub(super) problems: Vec<ProblemCode>,
    pub(super) describe: fn(&mut Operation, &mut Schemas),
}

impl Signature {
    pub(in crate::http) fn of<Arguments, H: Handler<Arguments>>(_: &H) -> Self {
        Self {
            access: H::ACCESS,
            problems: H::PROBLEMS.concat().concat(),
            describe: H::describe,
        }
    }
}

/// A function whose arguments and answer are known here.
pub(in crate::http) trait Handler<Arguments> {
    const ACCESS: Access;
    const PROBLEMS: &'static [&'static [&'static [ProblemCode]]];

    fn describe(operation: &mut Operation, schemas: &mut Schemas);
}

macro_rules! handlers {
    ($(($($argument:ident),*))*) => {$(
        impl<F, Answer, $($argument),*> Handler<($($argument,)*)> for F
        where
            F: AsyncFn($($argument),*) -> Answer,
            Answer: Answers,
            $($argument: Argument,)*
        {
            const ACCESS: Access = Access::of_all(&[$($argument::ACCESS),*]);
            const PROBLEMS: &'static [&'static [&'static [ProblemCode]]] = &[$($argument::PROBLEMS),*];

            fn describe(operation: &mut Operation, schemas: &mut Schemas) {
                $($argument::describe(operation, schemas);)*
                Answer::describe(operation, schemas);
            }
        }
    )*};
}

handlers! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) }

/// Adds an answer with a body of this kind.
pub(in crate::http) fn answers_with(operation: &mut Operation, kind: &str, content: Content) {
    let mut response = Response::new("OK");
    response.content.insert(kind.to_owned(), content.into());
    let responses = &mut operation.responses.responses;
    responses.insert("200".to_owned(), response.into());
}

/// Text, as far as a program is concerned.
pub(in crate::http) fn text() -> Content {
    let text = ObjectBuilder::new().schema_type(Type::String);
    Content::new(Some(text))
}

/// Tells that a `T` is sent as JSON.
pub(in crate::http) fn sends<T: ToSchema>(
    operation: &mut Operation,
    schemas: &mut Schemas,
    required: Required,
) {
    let body = RequestBodyBuilder::new()
        .content("application/json", json_content::<T>(schemas))
        .required(Some(required));
    operation.request_body = Some(body.build().into());
}

/// JSON of this type, by the type's name.
pub(in crate::http) fn json_content<T: ToSchema>(schemas: &mut Schemas) -> Content {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
    Content::new(Some(Ref::from_schema_name(T::name())))
}
