//! Writes the Dockerfile of a recipe: two stages, so that nothing which only builds is in the image.
//!
//! It needs nothing that the oldest supported engine's BuildKit does not have: no syntax line, no
//! here-documents. Everything that a repository wrote got here through [`super::words`].

use std::fmt::Write;

use super::images::{BUSYBOX, BaseImages};
use super::recipe::{Output, Recipe, Run, User};
use super::site;
use super::words::json;
use crate::source::BuildSettings;

/// Who serves files: nobody.
const NOBODY: &str = "65534:65534";

/// The text of a recipe's Dockerfile.
pub(super) fn write(recipe: &Recipe, settings: &BuildSettings, images: &BaseImages) -> String {
    let mut text = Text(String::new());
    for (stage, image) in &recipe.others {
        text.line(format!("FROM {} AS {stage}\n", images.name(image)));
    }
    build_stage(&mut text, recipe, settings, images);
    text.line("");
    match &recipe.output {
        Some(output) => site_stage(&mut text, output, images),
        None => run_stage(&mut text, recipe, images),
    }
    text.0
}

struct Text(String);

impl Text {
    fn line(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    fn env(&mut self, env: &[(String, String)]) {
        for (name, value) in env {
            self.line(format!("ENV {name}=\"{value}\""));
        }
    }

    fn packages(&mut self, packages: &[String]) {
        let mut packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        packages.sort_unstable();
        packages.dedup();
        if !packages.is_empty() {
            self.line(format!(
                "RUN apt-get update && apt-get install -y --no-install-recommends {} && \
                 rm -rf /var/lib/apt/lists/*",
                packages.join(" ")
            ));
        }
    }

    fn run(&mut self, run: &Run, settings: &BuildSettings) {
        let mut flags = String::new();
        for folder in &run.caches {
            let _ = write!(flags, "--mount=type=cache,target={folder} ");
        }
        let mut line = String::new();
        if run.of_app {
            for name in &settings.secrets {
                let _ = write!(flags, "--mount=type=secret,id={name} ");
                let _ = write!(line, "export {name}=\"$(cat /run/secrets/{name})\" && ");
            }
        }
        line.push_str(run.line.as_str());
        let what = if run.own { line } else { json(&["sh", "-c", &line]) };
        self.line(format!("RUN {flags}{what}"));
    }

    fn copy(&mut self, flags: &str, from: &[&str], to: &str) {
        self.line(format!("COPY {flags}{} {to}", from.join(" ")));
    }
}

fn build_stage(text: &mut Text, recipe: &Recipe, settings: &BuildSettings, images: &BaseImages) {
    text.line(format!("FROM {} AS build", images.name(&recipe.build_image)));
    text.line(format!("WORKDIR {}", Recipe::HOME));
    text.env(&recipe.build_env);
    text.packages(&recipe.build_packages);
    for (stage, from, to) in &recipe.fetched {
        text.copy(&format!("--from={stage} "), &[from], to);
    }
    for run in &recipe.tools {
        text.run(run, settings);
    }
    let first = !recipe.manifests.is_empty() && !recipe.install.is_empty();
    if first {
        let folder = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let mut folders: Vec<String> = recipe.manifests.iter().map(|path| folder(path)).collect();
        folders.dedup();
        for of in folders {
            let files: Vec<&str> = recipe
                .manifests
                .iter()
                .map(String::as_str)
                .filter(|path| folder(path) == of)
                .collect();
            text.copy("", &files, &format!("./{of}{}", if of.is_empty() { "" } else { "/" }));
        }
    } else {
        text.copy("", &["."], ".");
    }
    // After what seldom changes, before what may read them.
    for name in settings.args.keys() {
        text.line(format!("ARG {name}"));
    }
    for run in &recipe.install {
        text.run(run, settings);
    }
    if first {
        text.copy("", &["."], ".");
    }
    for run in recipe.build.iter().chain(&recipe.finish) {
        text.run(run, settings);
    }
}

fn run_stage(text: &mut Text, recipe: &Recipe, images: &BaseImages) {
    let none = BuildSettings::default();
    text.line(format!("FROM {}", images.name(&recipe.run_image)));
    text.packages(&recipe.run_packages);
    for (stage, from, to) in &recipe.run_fetched {
        text.copy(&format!("--from={stage} "), &[from], to);
    }
    if recipe.user == User::Made {
        text.line(
            "RUN useradd --uid 10001 --user-group --create-home --shell /usr/sbin/nologin hythe",
        );
    }
    for run in &recipe.run_tools {
        text.run(run, &none);
    }
    text.env(&recipe.run_env);
    text.line(format!("ENV PORT=\"{}\"", recipe.port));
    let user = recipe.user.name();
    for (from, to) in &recipe.taken {
        // What the app writes lies where the app lies; it has no business with the rest.
        let own = to.starts_with(Recipe::HOME) || to.starts_with("/deno-dir");
        let owner = if own { format!("--chown={user}:{user} ") } else { String::new() };
        text.copy(&format!("--from=build {owner}"), &[from], to);
    }
    text.line(format!("WORKDIR {}", Recipe::HOME));
    text.line(format!("USER {user}"));
    text.line(format!("EXPOSE {}", recipe.port));
    if let Some(start) = &recipe.start {
        text.line(format!("CMD {}", start.command()));
    }
}

fn site_stage(text: &mut Text, output: &Output, images: &BaseImages) {
    text.line(format!("FROM {}", images.name(BUSYBOX)));
    let conf = site::conf(Some(output.missing));
    let conf: Vec<String> = conf.iter().map(|line| format!("'{line}'")).collect();
    text.line(format!("RUN printf '%s\\n' {} > {}", conf.join(" "), site::CONF));
    let from = match output.folder.as_str() {
        "" => format!("{}/", Recipe::HOME),
        folder => format!("{}/{folder}/", Recipe::HOME),
    };
    text.copy("--from=build ", &[&from], &format!("{}/", site::ROOT));
    text.line(format!("USER {NOBODY}"));
    text.line("EXPOSE 8080");
    text.line(format!("CMD {}", site::command()));
}
