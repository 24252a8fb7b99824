//! The description of every route for programs: `OpenAPI` 3.1, generated from the routes.

use std::sync::Arc;

use serde_json::Value;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::route::{Route, schemes};
use super::{App, VERSION};

const DESCRIPTION: &str = "Takes a relay's messages, signs people in by phone, and gives them their own \
    data. Every failure is application/problem+json (RFC 9457) with a code for programs; every answer has \
    an X-Request-Id. Who may call stands with each route as x-who-may-call.";

/// The routes with their descriptions.
pub(super) fn router(routes: Vec<Route>) -> OpenApiRouter<Arc<App>> {
    let schemes = schemes();
    let components = schemes
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, scheme)| {
            components.security_scheme(name, scheme)
        });
    let info = InfoBuilder::new()
        .title("Archety")
        .description(Some(DESCRIPTION))
        .version(VERSION)
        .license(Some(License::new("MIT")));
    let described: OpenApi = OpenApiBuilder::new()
        .info(info)
        .components(Some(components.build()))
        .build();
    let routes = routes.into_iter().map(|route| route.served);
    routes.fold(
        OpenApiRouter::with_openapi(described),
        OpenApiRouter::routes,
    )
}

/// The description as JSON.
pub(super) fn document(routes: Vec<Route>) -> Value {
    let described = router(routes).into_openapi();
    let mut document = serde_json::to_value(described).expect("plain data with string keys");
    tidy(&mut document);
    document
}

/// Adapts the generated description for callers. Links to items of Rust become plain names. `oneOf` becomes `anyOf`,
/// because the cases of an untagged enum may overlap.
fn tidy(value: &mut Value) {
    match value {
        Value::String(text) => {
            let named = text.replace("[`crate::", "[`").replace("[`super::", "[`");
            *text = named.replace("[`", "`").replace("`]", "`");
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            if let Some(cases) = fields.remove("oneOf") {
                fields.insert("anyOf".to_owned(), cases);
            }
            fields.values_mut().for_each(tidy);
        }
        _ => {}
    }
}
