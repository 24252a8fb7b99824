//! The page that describes the routes in plain HTML, without a script or another file.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::route::WHO_MAY_CALL;

const STYLE: &str = include_str!("docs.css");

/// The content security policy of the page: only its own style is allowed, by its hash.
pub(super) fn policy() -> HeaderValue {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 is ASCII")
}

/// The page for an `OpenAPI` document.
pub(super) fn page(document: &Value) -> String {
    let info = &document["info"];
    let title = escaped(info["title"].as_str().unwrap_or_default());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head>\n<body>\n<h1>{title} <small>{}</small></h1>\n<p>{}</p>\n\
         <p>For programs: <a href=\"openapi.json\">openapi.json</a></p>\n",
        escaped(info["version"].as_str().unwrap_or_default()),
        escaped(info["description"].as_str().unwrap_or_default()),
    );
    let mut tags: Vec<(&str, String)> = Vec::new();
    for (path, methods) in fields(&document["paths"]) {
        for (method, operation) in fields(methods) {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            let html = operation_html(path, method, operation);
            match tags.iter_mut().find(|(name, _)| *name == tag) {
                Some((_, routes)) => routes.push_str(&html),
                None => tags.push((tag, html)),
            }
        }
    }
    for (tag, routes) in tags {
        let _ = write!(page, "<h2>{}</h2>\n{routes}", escaped(tag));
    }
    page.push_str("<h2>Proofs</h2>\n<dl>\n");
    for (name, scheme) in fields(&document["components"]["securitySchemes"]) {
        let text = scheme["description"].as_str().unwrap_or_default();
        let _ = writeln!(page, "<dt>{}<dd>{}", escaped(name), escaped(text));
    }
    page.push_str("</dl>\n<h2>Schemas</h2>\n");
    for (name, schema) in fields(&document["components"]["schemas"]) {
        let name = escaped(name);
        let _ = writeln!(
            page,
            "<details id=\"{name}\"><summary>{name}</summary><pre>{}</pre></details>",
            pretty(schema)
        );
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// The part of the page about one method of one path.
fn operation_html(path: &str, method: &str, operation: &Value) -> String {
    let text = |field: &str| escaped(operation[field].as_str().unwrap_or_default());
    let mut html = format!(
        "<details><summary><b>{}</b> <code>{}</code> {} <i>{}</i></summary>\n<p>{}</p>\n",
        method.to_ascii_uppercase(),
        escaped(path),
        text("summary"),
        text(WHO_MAY_CALL),
        text("description"),
    );
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let _ = writeln!(
            html,
            "<p>{} <code>{}</code> {}</p><pre>{}</pre>",
            escaped(parameter["in"].as_str().unwrap_or_default()),
            escaped(parameter["name"].as_str().unwrap_or_default()),
            escaped(parameter["description"].as_str().unwrap_or_default()),
            pretty(&parameter["schema"]),
        );
    }
    for (media_type, content) in fields(&operation["requestBody"]["content"]) {
        let schema = schema_link(&content["schema"]);
        let _ = writeln!(html, "<p>sends {} {schema}</p>", escaped(media_type));
    }
    html.push_str("<table>\n");
    for (status, response) in fields(&operation["responses"]) {
        let text = escaped(response["description"].as_str().unwrap_or_default());
        let schemas =
            fields(&response["content"]).map(|(_, content)| schema_link(&content["schema"]));
        let schemas: String = schemas.collect();
        let _ = writeln!(html, "<tr><td>{status}<td>{text}<td>{schemas}");
    }
    html.push_str("</table></details>\n");
    html
}

/// A link to the schema that a `$ref` names, or to the one that the first entry of an `allOf` names. Empty if there is
/// neither.
fn schema_link(schema: &Value) -> String {
    let reference = schema["$ref"]
        .as_str()
        .or(schema["allOf"][0]["$ref"].as_str());
    let reference = reference.and_then(|reference| reference.rsplit_once('/'));
    reference.map_or(String::new(), |(_, name)| {
        let name = escaped(name);
        format!("<a href=\"#{name}\">{name}</a>")
    })
}

/// The fields of a JSON object; none for any other value.
fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn pretty(value: &Value) -> String {
    escaped(&serde_json::to_string_pretty(value).expect("it was JSON before"))
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_of_the_description_is_escaped() {
        let text = "<script>&\"";
        let page = page(&json!({
            "info": { "title": text, "description": text },
            "paths": { text: { "get": { "tags": [text], "summary": text, "responses": {
                "200": { "description": text },
            } } } },
            "components": { "schemas": { text: { "description": text } } },
        }));
        assert!(!page.contains("<script"), "{page}");
        assert!(
            // The nine texts of the document; some are shown twice.
            page.matches("&lt;script&gt;&amp;&quot;").count() >= 9,
            "{page}"
        );
    }
}
