//! The `OpenAPI` 3.1 document, which is generated from the routes.

use std::sync::Arc;

use serde_json::Value;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::route::{Route, schemes};
use super::{App, VERSION};

const DESCRIPTION: &str = "Stores the messages that relays send, signs people in by phone, and gives them \
    their own data. Every error is application/problem+json (RFC 9457) with a code for programs. Every answer \
    has an X-Request-Id. Each route names its callers in x-who-may-call.";

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
    let document: OpenApi = OpenApiBuilder::new()
        .info(info)
        .components(Some(components.build()))
        .build();
    let routes = routes.into_iter().map(|route| route.method_router);
    routes.fold(OpenApiRouter::with_openapi(document), OpenApiRouter::routes)
}

/// The document as JSON.
pub(super) fn document(routes: Vec<Route>) -> Value {
    let openapi = router(routes).into_openapi();
    let mut document = serde_json::to_value(openapi).expect("plain data with string keys");
    tidy(&mut document);
    document
}

/// Adapts the generated description for callers. Links to items of Rust become plain names. `oneOf` becomes `anyOf`,
/// because the cases of an untagged enum may overlap.
fn tidy(value: &mut Value) {
    match value {
        Value::String(text) => {
            let plain = text.replace("[`crate::", "[`").replace("[`super::", "[`");
            *text = plain.replace("[`", "`").replace("`]", "`");
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
