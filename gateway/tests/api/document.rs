//! The OpenAPI document says what there is, all of it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, Server};

fn document() -> Value {
    serde_json::to_value(hythe_gateway::api::openapi()).unwrap()
}

#[tokio::test]
async fn the_server_gives_the_document_that_is_printed() {
    let server = Server::start().await;
    let given = server.get("/api/v1/openapi.json").await.is(200);
    assert_eq!(given.json, document());
    assert!(given.json["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = document();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                open.extend(object.values());
            }
            Value::Array(array) => open.extend(array),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut names = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name}");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            let open = operation["security"] == serde_json::json!([{}]);
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status.starts_with(['4', '5']) && name != "readyz" {
                    let schema = &response["content"]["application/problem+json"]["schema"];
                    assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{name} {status}");
                }
            }
            assert!(open || operation["responses"]["401"].is_object(), "{name}");
        }
    }
    for name in ["list_apps", "create_deployment", "change_env", "list_events", "deployment_logs"] {
        assert!(names.contains(name), "{name}");
    }
}

/// A method that the document does not name is refused with the ones that it does: so the routes
/// of the router and of the document are the same.
#[tokio::test]
async fn the_router_has_what_the_document_says() {
    let server = Server::start().await;
    for (path, item) in document()["paths"].as_object().unwrap() {
        let said: BTreeSet<String> =
            item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let named = [
            ("{app}", "a"),
            ("{deployment}", "b"),
            ("{worker}", "c"),
            ("{sequence}", "1"),
            ("{run}", "d"),
        ];
        let path = named.iter().fold(path.clone(), |path, (name, value)| path.replace(name, value));
        let answer = Answer::of(server.asks(Method::OPTIONS, &path)).await;
        answer.is_problem(405, "method-not-allowed");
        let there: BTreeSet<String> = answer.headers["allow"]
            .to_str()
            .unwrap()
            .split(',')
            .filter(|method| *method != "HEAD")
            .map(Into::into)
            .collect();
        assert_eq!(there, said, "{path}");
    }
}

#[test]
fn the_pages_types_are_made_from_this_document() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/openapi.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(
        kept,
        document(),
        "web/openapi.json is older: write it with `cargo run -p hythe-gateway --example openapi` \
         and run `npm --prefix web run types`"
    );
}

/// Writes that take no key, each with why none is needed.
const WITHOUT_A_KEY: [(&str, &str); 6] = [
    ("check_domain", "each is a look of its own"),
    ("create_session", "each time it is another session"),
    ("delete_session", "signed out once or twice is the same"),
    ("deliver", "providers send none; the delivery's own id is the key"),
    ("plan_compose", "it changes nothing"),
    ("download_backup", "it is handed out, and each time another one"),
];

#[test]
fn every_write_takes_an_idempotency_key_or_says_why_not() {
    let document = document();
    let mut writes = 0;
    let mut without = BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "get" {
                continue;
            }
            writes += 1;
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let mut keys = parameters.filter(|one| one["name"] == "Idempotency-Key");
            match keys.next() {
                Some(key) => assert_eq!(key["in"], "header"),
                None => drop(without.insert(operation["operationId"].as_str().unwrap())),
            }
        }
    }
    assert!(writes > 50, "{writes}");
    assert_eq!(without, WITHOUT_A_KEY.iter().map(|(name, _why)| *name).collect());
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            if without.contains(operation["operationId"].as_str().unwrap()) {
                let said = operation["description"].as_str().unwrap();
                assert!(said.contains("`Idempotency-Key`"), "{said}");
            }
        }
    }
}
