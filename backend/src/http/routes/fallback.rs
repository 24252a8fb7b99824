//! Paths and methods that don't exist.

use crate::http::api_error::ApiError;

pub(in crate::http) async fn not_found() -> ApiError {
    ApiError::NotFound
}

pub(in crate::http) async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
