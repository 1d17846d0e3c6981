//! Whether what a build leaves is served by the edges themselves, or by a container.

use serde::{Deserialize, Serialize};

use crate::deployment::DeploymentSpec;
use crate::rejection::Rejection;
use crate::source::Source;

/// What an app says about that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SiteMode {
    /// Files that a build leaves to be served as they are go to the edges, unless the app has something
    /// that needs a container.
    #[default]
    Auto,
    /// What is built is a static site; a build that leaves none fails.
    On,
    /// It always gets a container.
    Off,
}

impl SiteMode {
    /// The name in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for SiteMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether files that a deployment's build leaves may be served by the edges.
///
/// # Errors
/// Where the app wants that, and something of it needs a container.
pub fn serves_files(spec: &DeploymentSpec) -> Result<bool, Rejection> {
    let needs = needs_container(spec);
    match (spec.build.site, needs) {
        (SiteMode::Off, _) | (SiteMode::Auto, Some(_)) => Ok(false),
        (SiteMode::Auto | SiteMode::On, None) => Ok(true),
        (SiteMode::On, Some(what)) => Err(Rejection::invalid(
            "static",
            format!(
                "is on, and the app has {what}, which needs a container: take that away, or set it to off \
                 (`hythe app set {} --static off`)",
                spec.app_name
            ),
        )),
    }
}

/// What of an app only a container can do.
fn needs_container(spec: &DeploymentSpec) -> Option<&'static str> {
    let run = &spec.run;
    let rows = [
        (matches!(spec.source, Source::Image(_)), "an image as its source"),
        (!run.processes.is_empty(), "processes beside web"),
        (!run.hooks.is_empty(), "a release or post-deploy command"),
        (run.command.is_some(), "a start command"),
        (
            !run.container.is_usual() || !run.inside.is_usual(),
            "volumes, a group or other settings of its container",
        ),
    ];
    rows.into_iter().find_map(|(has, what)| has.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::argv::Argv;
    use crate::testing::spec;

    #[test]
    fn what_needs_a_container_gets_one_and_is_refused_where_none_is_wanted() {
        let mut plain = spec(1);
        plain.run = crate::run::RunSettings::default();
        let mut busy = plain.clone();
        busy.run.command = Some(Argv::new(vec!["node".to_owned()]).unwrap());
        let rows = [
            (&plain, SiteMode::Auto, Ok(true)),
            (&plain, SiteMode::On, Ok(true)),
            (&plain, SiteMode::Off, Ok(false)),
            (&busy, SiteMode::Auto, Ok(false)),
            (&busy, SiteMode::Off, Ok(false)),
            (&busy, SiteMode::On, Err(())),
        ];
        for (spec, mode, expected) in rows {
            let mut spec = spec.clone();
            spec.build.site = mode;
            let found = serves_files(&spec);
            if let Err(refused) = &found {
                assert!(refused.to_string().contains("a start command"), "{refused}");
            }
            assert_eq!(found.map_err(drop), expected, "{mode}");
        }
    }
}
