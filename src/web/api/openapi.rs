//! The description of the API, made from its handlers and their types.

use std::sync::OnceLock;

use axum::response::Response;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::answer::tagged;
use super::ask::{Asked, Nothing};
use super::{lists, posted, retention, status};
use crate::core::model::TokenScope;
use crate::ops::{self, VERSION};
use crate::render::document;
use crate::web::access::Access;
use crate::web::failure::Problem;

/// The plan has a schema of its own, which the documents of the command line follow too.
const PLAN: &str = include_str!("../../../schema/plan.schema.json");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "pobsync",
        description = "Pull-based backups: what there is, plans for a change, and applies of what was \
        reviewed. Lists are paged: `Link: <…>; rel=\"next\"` leads on. Answers carry an `ETag`. Nothing here deletes a snapshot."
    ),
    paths(
        status::index,
        status::status,
        openapi,
        lists::hosts,
        lists::host,
        lists::host_snapshots,
        retention::retention,
        lists::snapshots,
        lists::runs,
        lists::run,
        lists::plans,
        lists::plan,
        lists::audit,
        posted::plan,
        posted::apply,
    ),
    components(schemas(Problem, ops::PlanRequest, ops::ApplyRequest, ops::Sent))
)]
struct Description;

/// Describes the API itself.
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, description = "This document")))]
pub(super) async fn openapi(Asked(Nothing {}): Asked<Nothing>) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    tagged(TEXT.get_or_init(|| document(&description())).clone())
}

/// Answers whose body is a plan or a part of one.
const PLANS: [(&str, &str, &str); 4] = [
    ("/api/plans/{id}/", "get", "#/components/schemas/Plan"),
    ("/api/plan/", "post", "#/components/schemas/Plan"),
    ("/api/apply/", "post", "#/components/schemas/Applied"),
    (
        "/api/hosts/{host}/retention/",
        "get",
        "#/components/schemas/Plan/properties/retention/items",
    ),
];

/// The document: what the handlers say of themselves, who may call them, and how they fail.
pub(super) fn description() -> Value {
    let mut description = serde_json::to_value(Description::openapi()).unwrap_or_default();
    description["info"]["version"] = json!(VERSION);
    let mut plan: Value = serde_json::from_str(PLAN).unwrap_or_default();
    lead(&mut plan, "#/components/schemas/Plan/$defs/");
    if let Some(plan) = plan.as_object_mut() {
        // One document has one base and one dialect.
        plan.remove("$id");
        plan.remove("$schema");
    }
    let components = &mut description["components"];
    components["schemas"]["Plan"] = plan;
    components["schemas"]["Applied"] = json!({
        "type": "object",
        "required": ["outcome", "serial", "plan"],
        "properties": {
            "outcome": { "enum": ["done", "no-changes"] },
            "serial": { "type": ["integer", "null"] },
            "plan": { "$ref": "#/components/schemas/Plan" },
        },
    });
    components["schemas"]["PlanRequest"]["properties"]["kinds"]["items"] =
        json!({ "enum": ["scheduled", "manual"] });
    components["schemas"]["PlanRequest"]["properties"]["kinds"]["minItems"] = json!(1);
    components["schemas"]["PlanRequest"]["properties"]["hosts"]["items"]["pattern"] =
        json!("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$");
    components["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "pobsync token create NAME --scope SCOPE" },
    });
    for (path, method, schema) in PLANS {
        description["paths"][path][method]["responses"]["200"]["content"] =
            json!({ "application/json": { "schema": { "$ref": schema } } });
    }
    for route in super::routes() {
        let operations = description["paths"].get_mut(route.path);
        if let Some(operations) = operations.and_then(Value::as_object_mut) {
            who_and_how_it_fails(operations, route.access);
        }
    }
    description
}

/// Leads the references of a schema to where its definitions stand in this document.
fn lead(schema: &mut Value, to: &str) {
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "$ref" => {
                        if let Some(definition) = text.strip_prefix("#/$defs/") {
                            *text = format!("{to}{definition}");
                        }
                    }
                    field => lead(field, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lead(item, to)),
        _ => {}
    }
}

/// Every way to fail has the same body.
fn who_and_how_it_fails(operations: &mut Map<String, Value>, access: Access) {
    let scope = match access {
        Access::Api(scope) => scope,
        _ => TokenScope::Read,
    };
    for (method, operation) in operations {
        // The names of our files are no groups that anybody looks for.
        if let Some(operation) = operation.as_object_mut() {
            operation.remove("tags");
        }
        operation["security"] = json!([{ "token": [] }]);
        operation["x-pobsync-scope"] = json!(scope.as_str());
        let mut ways = vec![
            ("400", "The request makes no sense"),
            ("401", "No token, or none in force"),
            ("403", "The token is for something else"),
            ("404", "There is no such thing"),
            ("413", "The body is too large"),
            (
                "503",
                "The database does not answer, or too much is asked at once",
            ),
        ];
        if method == "post" {
            ways.push((
                "409",
                "The plan is another one, or a guard stands against it",
            ));
            ways.push(("415", "The body is neither KDL nor JSON, or compressed"));
            ways.push((
                "422",
                "The configuration is not valid; `findings` has every mistake",
            ));
        } else {
            operation["responses"]["304"] =
                json!({ "description": "It is what If-None-Match names" });
        }
        for (status, description) in ways {
            operation["responses"][status] = json!({
                "description": description,
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::web::api::routes;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let description = description();
        let paths = description["paths"].as_object().unwrap();
        let described: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
        // A path without its final slash is the same one.
        let routes: BTreeSet<&str> = routes()
            .iter()
            .map(|route| route.path)
            .filter(|path| path.ends_with('/') || path.ends_with(".json"))
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let description = description();
        let mut left = vec![&description];
        let mut seen = 0;
        while let Some(value) = left.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(to)) = fields.get("$ref") {
                        let pointer = to.strip_prefix('#').unwrap();
                        assert!(description.pointer(pointer).is_some(), "{to}");
                        seen += 1;
                    }
                    left.extend(fields.values());
                }
                Value::Array(items) => left.extend(items),
                _ => {}
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
