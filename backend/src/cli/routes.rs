//! `routes`: lists every route and the callers that it accepts.

use serde_json::json;

use super::output::ListArgs;
use crate::http::{RouteEntry, route_list};

pub(super) fn run(list: &ListArgs) {
    let routes = route_list();
    let longest = routes.iter().map(|route| route.path.len()).max();
    let width = longest.unwrap_or_default();
    let as_json = |route: &RouteEntry| json!({ "method": route.method.as_str(), "path": route.path, "access": route.access.into_str() });
    let as_line = |route: &RouteEntry| {
        let (method, path) = (route.method.as_str(), &route.path);
        format!("{method:<6} {path:<width$}  {}", route.access.into_str())
    };
    list.print(&routes, as_json, as_line, "");
}
