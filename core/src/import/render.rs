//! `render.yaml`, of Render: a list of services, of which one becomes the app.

use serde_json::Value;

use super::leaves::leaves;
use super::sheet::{Sheet, line_of, shown, text_of};
use crate::domain::DomainHost;
use crate::limits::MOST_DOMAINS;

pub(super) fn read(text: &str, wanted: Option<&str>, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = serde_saphyr::from_str(text).map_err(|error| shown(&error.to_string()))?;
    let empty = Vec::new();
    let services = root.get("services").and_then(Value::as_array).unwrap_or(&empty);
    let name = |service: &Value| service.get("name").and_then(Value::as_str).map(str::to_owned);
    let chosen = match wanted {
        Some(wanted) => services.iter().position(|one| name(one).as_deref() == Some(wanted)),
        None => services.iter().position(|one| kind(one) == "web").or_else(|| {
            // The only one there is, whatever it is.
            (services.len() == 1).then_some(0)
        }),
    };
    if let (Some(wanted), None) = (wanted, chosen) {
        let names: Vec<String> = services.iter().filter_map(name).collect();
        let names = shown(&names.join(", "));
        sheet.left("services", format!("there is no service {wanted}; there are: {names}"));
    }
    for (n, service) in services.iter().enumerate() {
        let key = format!("services[{n}]");
        let of = chosen.and_then(|chosen| services.get(chosen));
        if Some(n) == chosen {
            of_service(&key, service, sheet);
        } else if let Some(of) = of.filter(|of| runs_beside("worker", service, of)) {
            of_worker(&key, service, of, sheet);
        } else if let Some(of) = of.filter(|of| runs_beside("cron", service, of)) {
            of_cron(&key, service, of, sheet);
        } else {
            let name = name(service).unwrap_or_default();
            let why = format!("an app is one service; for this one --service {}", shown(&name));
            sheet.left(&key, why);
        }
    }
    let others = root.as_object().into_iter().flatten().filter(|(key, _)| *key != "services");
    for (key, _) in others {
        sheet.left(key, elsewhere(key));
    }
    Ok(())
}

fn kind(service: &Value) -> &str {
    service.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Whether a service is of this kind and is built from the same as another.
fn runs_beside(wanted: &str, service: &Value, of: &Value) -> bool {
    // Where one does not say it, it is the repository that the file is in.
    let alike = |key: &str| match (service.get(key), of.get(key)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    };
    let same = |key: &str| service.get(key) == of.get(key);
    kind(service) == wanted
        && ["repo", "branch"].iter().all(|key| alike(key))
        && ["runtime", "env", "rootDir", "dockerfilePath", "dockerContext"]
            .iter()
            .all(|key| same(key))
}

/// Takes a worker as a process beside the web of the service that it goes with.
fn of_worker(prefix: &str, service: &Value, of: &Value, sheet: &mut Sheet<'_>) {
    let name = service.get("name").and_then(Value::as_str).unwrap_or_default();
    let runs = ["startCommand", "dockerCommand"].iter().any(|key| service.get(key).is_some());
    for (field, value) in service.as_object().into_iter().flatten() {
        let key = format!("{prefix}.{field}");
        let key = key.as_str();
        match field.as_str() {
            "name" => sheet.taken(key, "the name of a process beside web"),
            "type" => sheet.taken(key, "a process beside web"),
            "startCommand" | "dockerCommand" => sheet.process(key, name, value),
            "numInstances" if runs => sheet.process_replicas(key, name, value),
            _ => of_app(key, field, value, of, ("a process", sheet)),
        }
    }
}

/// What a service that goes with an app says of what is the app's.
fn of_app(
    key: &str,
    field: &str,
    value: &Value,
    of: &Value,
    (what, sheet): (&str, &mut Sheet<'_>),
) {
    match field {
        _ if of.get(field) == Some(value) => sheet.taken(key, "as the app has it"),
        "repo" | "branch" => sheet.taken(key, "where the app is built from"),
        "envVars" => {
            sheet.left(key, format!("{what} has the variables of its app: `hythe env set`"));
        }
        "buildCommand" => sheet.left(key, format!("{what} runs from the app's own image")),
        "plan" | "region" => sheet.left(key, "an app runs where your workers are"),
        _ => sheet.left(key, "there is nothing here that it would set"),
    }
}

/// Takes a cron service as a cron job of the service that it goes with.
fn of_cron(prefix: &str, service: &Value, of: &Value, sheet: &mut Sheet<'_>) {
    let name = service.get("name").and_then(Value::as_str).unwrap_or_default();
    let line = ["startCommand", "dockerCommand"].into_iter().find(|key| service.get(key).is_some());
    let key = |field: &str| format!("{prefix}.{field}");
    let whole = service.get("schedule").zip(line.and_then(|line| service.get(line)));
    if let Some((schedule, command)) = whole {
        let (at, does) = (key("schedule"), key(line.unwrap_or_default()));
        sheet.cron(&name.to_ascii_lowercase(), (&at, schedule), (&does, command));
    }
    for (field, value) in service.as_object().into_iter().flatten() {
        let key = key(field);
        let key = key.as_str();
        match field.as_str() {
            "name" => sheet.taken(key, "the name of a cron job"),
            "type" => sheet.taken(key, "a cron job"),
            "schedule" if whole.is_some() => {}
            field if whole.is_some() && line == Some(field) => {}
            "schedule" | "startCommand" | "dockerCommand" => {
                sheet.left(key, super::procfile::SCHEDULE);
            }
            _ => of_app(key, field, value, of, ("a cron job", sheet)),
        }
    }
}

fn elsewhere(key: &str) -> &'static str {
    match key {
        "databases" => "run it where it is, and give its address by `hythe env set`",
        "envVarGroups" => "set its variables on each app by `hythe env set`",
        _ => "there is nothing here that it would set",
    }
}

fn of_service(prefix: &str, service: &Value, sheet: &mut Sheet<'_>) {
    let docker = ["runtime", "env"]
        .iter()
        .any(|key| service.get(key).and_then(Value::as_str) == Some("docker"));
    if let Some(variables) = service.get("envVars").and_then(Value::as_array) {
        for (n, variable) in variables.iter().enumerate() {
            of_variable(&format!("{prefix}.envVars[{n}]"), variable, sheet);
        }
    }
    for leaf in leaves(service) {
        let key = format!("{prefix}.{}", leaf.key);
        let (key, value) = (key.as_str(), leaf.value);
        match leaf.path.as_slice() {
            ["envVars", ..] => {}
            ["name"] => sheet.left(key, "an app has the name that you give it here"),
            ["type"] if matches!(value.as_str(), Some("web" | "static")) => {
                sheet.taken(key, "an app with an address");
            }
            ["type"] => sheet.left(key, "every app here has an address, and has to listen"),
            ["runtime" | "env"] => {
                sheet.taken(key, "found by itself; see `hythe detect`");
            }
            ["repo"] => sheet.text(key, "repository", value, |to| &mut to.app.repository),
            ["branch"] => sheet.text(key, "branch", value, |to| &mut to.app.branch),
            ["rootDir"] => sheet.text(key, "folder that is built", value, |to| &mut to.app.context),
            ["buildCommand"] => line(key, "build", value, sheet, |to| &mut to.build.build),
            ["startCommand"] => line(key, "start", value, sheet, |to| &mut to.build.start),
            ["staticPublishPath"] => {
                sheet.text(key, "folder that is served", value, |to| &mut to.build.output);
            }
            ["dockerfilePath"] => {
                sheet.text(key, "Dockerfile", &relative(value), |to| &mut to.build.dockerfile);
            }
            ["dockerContext"] if docker && relative(value) == "." => {
                sheet.taken(key, "all of the repository, as usual");
            }
            ["dockerContext"] => {
                sheet.text(key, "folder that is built", &relative(value), |to| &mut to.app.context);
            }
            ["dockerCommand"] => sheet.command(key, value),
            ["healthCheckPath"] => {
                sheet.text(key, "health check of", value, |to| &mut to.app.health_path);
            }
            ["numInstances"] => sheet.number(key, "replicas", value, |to| &mut to.app.replicas),
            ["maxShutdownDelaySeconds"] => {
                sheet.span(key, "from SIGTERM to SIGKILL", value, 1_000, |to| {
                    &mut to.app.stop_within_ms
                });
            }
            ["preDeployCommand"] => sheet.release(key, value),
            ["disk", ..] => sheet.left(key, super::sheet::DISK),
            ["buildFilter", ..] => sheet.left(key, super::sheet::WATCH),
            ["plan" | "region"] => sheet.left(key, "an app runs where your workers are"),
            ["scaling", ..] => sheet.left(key, "replicas are as many as you say: `hythe scale`"),
            ["domains" | "domain"] => {
                sheet
                    .left(key, format!("add it here, which says how to prove it: {}", adds(value)));
            }
            ["schedule"] => sheet.left(key, super::procfile::SCHEDULE),
            [..] => sheet.left(key, "there is nothing here that it would set"),
        }
    }
}

/// The commands that add the domains that are named.
fn adds(value: &Value) -> String {
    let one = |value: &Value| Some(shown_host(&text_of(value)?));
    let hosts: Vec<String> = match value {
        Value::Array(all) => all.iter().filter_map(one).take(MOST_DOMAINS).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            one(value).into_iter().collect()
        }
    };
    if hosts.is_empty() {
        return "`hythe domain add APP HOST`".to_owned();
    }
    let each = hosts.iter().map(|host| format!("`hythe domain add APP {host}`"));
    each.collect::<Vec<_>>().join(", ")
}

/// A host as it can be typed; what is none is quoted.
fn shown_host(text: &str) -> String {
    match DomainHost::new(text) {
        Ok(host) if host.is_wildcard() => format!("'{host}'"),
        Ok(host) => host.to_string(),
        Err(_) => shown(text),
    }
}

fn line(
    key: &str,
    what: &str,
    value: &Value,
    sheet: &mut Sheet<'_>,
    place: impl FnOnce(&mut super::Imported) -> &mut Option<String>,
) {
    match line_of(value) {
        Some(line) => sheet.text(key, what, &Value::String(line), place),
        None => sheet.left(key, "it is no command"),
    }
}

/// Without the `./` that paths there begin with.
fn relative(value: &Value) -> Value {
    let text = text_of(value).unwrap_or_default();
    let text = text.strip_prefix("./").unwrap_or(&text).trim_end_matches('/');
    Value::String(if text.is_empty() { ".".to_owned() } else { text.to_owned() })
}

fn of_variable(key: &str, variable: &Value, sheet: &mut Sheet<'_>) {
    let name = variable.get("key").and_then(Value::as_str);
    match (name, variable.get("value")) {
        (Some(name), Some(value)) => sheet.variable(key, name, value),
        (Some(name), None) => {
            let name = shown(name);
            sheet.left(key, format!("its value is not in the file: `hythe env set APP {name}=-`"));
        }
        (None, _) => sheet.left(key, elsewhere("envVarGroups")),
    }
}
