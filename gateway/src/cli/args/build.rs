//! How an app is built, on the command line.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use hythe_core::names::{BadText, BuildArg, BuildArgValue, BuildTarget, EnvName, RepositoryPath};

use super::span::span;
use crate::api::dto::{CreateApp, StaticMode, UpdateApp};

/// How an app is built; what is left out stays as it is.
#[derive(Clone, Debug, Default, Args)]
pub struct BuildArgs {
    /// The Dockerfile in the repository [default: found by itself]
    #[arg(long, value_name = "PATH")]
    pub dockerfile: Option<RepositoryPath>,
    /// The folder of the repository whose files the build sees [default: all of it]
    #[arg(long, value_name = "PATH")]
    pub context: Option<RepositoryPath>,
    /// The stage of the Dockerfile that becomes the image [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub target: Option<BuildTarget>,
    /// A build argument; may be given several times, in place of all before. They can be read in
    /// the image: what is secret is given with --build-secret
    #[arg(long, value_name = "NAME=VALUE")]
    pub build_arg: Vec<BuildArgument>,
    /// No build arguments any more
    #[arg(long, conflicts_with = "build_arg")]
    pub no_build_args: bool,
    /// An environment variable of the app that its build may read, by RUN
    /// --mount=type=secret,id=NAME; may be given several times, in place of all before
    #[arg(long, value_name = "NAME")]
    pub build_secret: Vec<EnvName>,
    /// No build secrets any more
    #[arg(long, conflicts_with = "build_secret")]
    pub no_build_secrets: bool,
    /// Fetch the repository's submodules, too
    #[arg(long)]
    pub submodules: bool,
    /// No submodules any more
    #[arg(long, conflicts_with = "submodules")]
    pub no_submodules: bool,
    /// Fetch the files that git LFS keeps elsewhere, too; builders need git-lfs for it
    #[arg(long)]
    pub lfs: bool,
    /// No files of git LFS any more
    #[arg(long, conflicts_with = "lfs")]
    pub no_lfs: bool,
    /// Whether edges serve what is built themselves, without a container: auto where the build leaves files
    /// and nothing else of the app needs a container
    #[arg(long = "static", value_name = "MODE")]
    pub site: Option<StaticArg>,
    /// How long one build may take, such as 30m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub build_timeout: Option<u64>,
}

/// What `--static` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StaticArg {
    /// Where the build leaves files, and nothing else of the app needs a container
    Auto,
    /// It is a static site; a build that leaves none fails
    On,
    /// It always gets a container
    Off,
}

impl From<StaticArg> for StaticMode {
    fn from(arg: StaticArg) -> Self {
        match arg {
            StaticArg::Auto => Self::Auto,
            StaticArg::On => Self::On,
            StaticArg::Off => Self::Off,
        }
    }
}

/// A build argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildArgument {
    name: BuildArg,
    value: BuildArgValue,
}

impl std::str::FromStr for BuildArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("it is given as NAME=VALUE")?;
        let bad = |bad: BadText| bad.to_string();
        Ok(Self { name: name.parse().map_err(bad)?, value: value.parse().map_err(bad)? })
    }
}

impl BuildArgs {
    fn args(&self) -> Option<BTreeMap<String, String>> {
        let given = self.build_arg.iter();
        let given = given.map(|arg| (arg.name.to_string(), arg.value.to_string()));
        (self.no_build_args || !self.build_arg.is_empty()).then(|| given.collect())
    }

    fn secrets(&self) -> Option<Vec<String>> {
        let given = self.build_secret.iter().map(ToString::to_string);
        (self.no_build_secrets || !self.build_secret.is_empty()).then(|| given.collect())
    }

    /// What was given, as a part of a change.
    pub(in crate::cli) fn change(&self) -> UpdateApp {
        UpdateApp {
            dockerfile: self.dockerfile.as_ref().map(|path| Some(path.to_string())),
            build_context: self.context.as_ref().map(|path| Some(path.to_string())),
            build_target: self.target.as_ref().map(|target| Some(target.to_string())),
            build_args: self.args(),
            build_secrets: self.secrets(),
            build_within_ms: self.build_timeout,
            submodules: switch(self.submodules, self.no_submodules),
            lfs: switch(self.lfs, self.no_lfs),
            site: self.site.map(Into::into),
            ..UpdateApp::default()
        }
    }

    /// What was given, as a part of a new app.
    pub(in crate::cli) fn creation(&self) -> CreateApp {
        CreateApp {
            dockerfile: self.dockerfile.as_ref().map(ToString::to_string),
            build_context: self.context.as_ref().map(ToString::to_string),
            build_target: self.target.as_ref().map(ToString::to_string),
            build_args: self.args(),
            build_secrets: self.secrets(),
            build_within_ms: self.build_timeout,
            submodules: switch(self.submodules, self.no_submodules),
            lfs: switch(self.lfs, self.no_lfs),
            site: self.site.map(Into::into),
            ..CreateApp::default()
        }
    }
}

/// What two opposite flags say, where one of them is given.
fn switch(on: bool, off: bool) -> Option<bool> {
    (on || off).then_some(on)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_argument_is_a_name_and_a_value() {
        let read = |text: &str| text.parse::<BuildArgument>();
        let arg = read("VERSION=a=b c").unwrap();
        assert_eq!((arg.name.as_str(), arg.value.as_str()), ("VERSION", "a=b c"));
        assert!(read("EMPTY=").is_ok());
        for refused in ["VERSION", "=x", "1A=x", "BUILDKIT_SYNTAX=x", "A=b\nc", "a-b=c"] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
