//! Health checks, from what people send and back.

use hythe_core::app::AppSettings;
use hythe_core::argv::Argv;
use hythe_core::health::{HealthCheck, Probe};
use hythe_core::names::BadText;
use hythe_core::time::Millis;

use super::{optional, text};
use crate::api::dto::{HealthProbe, UpdateApp};
use crate::api::problem::Problem;

/// The health check that a change of settings comes to, where it changes.
pub(super) fn change_of(
    now: &AppSettings,
    change: &UpdateApp,
) -> Result<Option<HealthCheck>, Problem> {
    let mut health = now.health.clone();
    match (&change.health, &change.health_path) {
        (Some(Some(_)), Some(Some(_))) => {
            let why = "give \"health\" or \"health_path\", not both: one is short for the other";
            return Err(Problem::field("health_path", why));
        }
        (Some(Some(probe)), _) => health.probe = checked(probe)?,
        (_, Some(Some(path))) => {
            let statuses = match &health.probe {
                Probe::Http { statuses, .. } => *statuses,
                Probe::Default | Probe::Tcp | Probe::Command(_) | Probe::Image | Probe::None => {
                    None
                }
            };
            health.probe = Probe::Http { path: text("health_path", path)?, statuses };
        }
        (Some(None), _) | (_, Some(None)) => health.probe = Probe::Default,
        (None, None) => {}
    }
    for (given, place) in [
        (change.health_interval_ms, &mut health.interval),
        (change.health_timeout_ms, &mut health.timeout),
        (change.health_start_within_ms, &mut health.start_within),
    ] {
        if let Some(millis) = given {
            *place = millis.map(Millis);
        }
    }
    if let Some(retries) = change.health_retries {
        health.retries = retries;
    }
    Ok((health != now.health).then_some(health))
}

fn checked(probe: &HealthProbe) -> Result<Probe, Problem> {
    Ok(match probe {
        HealthProbe::Http { path, statuses } => Probe::Http {
            path: text("health.path", path)?,
            statuses: optional("health.statuses", statuses.as_deref())?,
        },
        HealthProbe::Tcp {} => Probe::Tcp,
        HealthProbe::Command { command } => {
            let bad = |bad: BadText| Problem::field("health.command", bad.to_string());
            Probe::Command(Argv::new(command.clone()).map_err(bad)?)
        }
        HealthProbe::Image {} => Probe::Image,
        HealthProbe::None {} => Probe::None,
    })
}

/// What is asked, as people see it; none for the default.
pub(super) fn shown(probe: &Probe) -> Option<HealthProbe> {
    Some(match probe {
        Probe::Default => return None,
        Probe::Http { path, statuses } => HealthProbe::Http {
            path: path.to_string(),
            statuses: statuses.map(|statuses| statuses.to_string()),
        },
        Probe::Tcp => HealthProbe::Tcp {},
        Probe::Command(command) => HealthProbe::Command { command: command.words().to_vec() },
        Probe::Image => HealthProbe::Image {},
        Probe::None => HealthProbe::None {},
    })
}

/// The path that is asked for, where it is over HTTP.
pub(super) fn path(probe: &Probe) -> Option<String> {
    match probe {
        Probe::Http { path, .. } => Some(path.to_string()),
        Probe::Default | Probe::Tcp | Probe::Command(_) | Probe::Image | Probe::None => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The health part of the settings after a change.
    fn after(change: Value) -> Result<HealthCheck, Problem> {
        let change: UpdateApp = serde_json::from_value(change).unwrap();
        let health = HealthCheck { retries: Some(7), ..HealthCheck::default() };
        let now = AppSettings { health, ..AppSettings::default() };
        Ok(change_of(&now, &change)?.unwrap_or(now.health))
    }

    #[test]
    fn what_is_sent_comes_back_and_what_is_not_sent_stays() {
        for probe in [
            json!({"type": "http", "path": "/up", "statuses": "200-204"}),
            json!({"type": "http", "path": "/up"}),
            json!({"type": "tcp"}),
            json!({"type": "command", "command": ["pg_isready", "-q"]}),
            json!({"type": "image"}),
            json!({"type": "none"}),
        ] {
            let health = after(json!({"health": probe, "health_interval_ms": 900})).unwrap();
            assert_eq!(serde_json::to_value(shown(&health.probe)).unwrap(), probe);
            assert_eq!((health.interval, health.retries), (Some(Millis(900)), Some(7)));
        }
        let health = after(json!({"health_path": "/up", "health_retries": null})).unwrap();
        assert_eq!(path(&health.probe).as_deref(), Some("/up"));
        assert_eq!(health.retries, None);
        assert_eq!(after(json!({"health": null})).unwrap().probe, Probe::Default);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_name() {
        for (change, field) in [
            (json!({"health": {"type": "http", "path": "up"}}), "health.path"),
            (json!({"health": {"type": "http", "path": "/", "statuses": "1"}}), "health.statuses"),
            (json!({"health": {"type": "command", "command": []}}), "health.command"),
            (json!({"health": {"type": "tcp"}, "health_path": "/up"}), "health_path"),
        ] {
            assert_eq!(after(change).unwrap_err().field.as_deref(), Some(field));
        }
        for unknown in [json!({"type": "luck"}), json!({"type": "tcp", "port": 1}), json!("tcp")] {
            assert!(serde_json::from_value::<UpdateApp>(json!({"health": unknown})).is_err());
        }
    }
}
