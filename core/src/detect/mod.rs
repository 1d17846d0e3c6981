//! Finds out how a repository becomes an image.
//!
//! A Dockerfile always wins, unless `hythe.toml` names a preset. Without one, what the repository
//! is made of says how it is built: a provider for each language looks at the listing and at the
//! few files that [`wanted`] names, and what it finds becomes a Dockerfile. Static files get a
//! small server around them. Anything else is refused with what was looked for and what to do:
//! guessing wrong costs people more than one line. Deterministic: the same files and settings give
//! the same plan.

mod alone;
mod clojure;
mod cpp;
mod crystal;
mod dart;
mod deno;
mod dockerfile;
mod dotnet;
mod elixir;
mod foreign;
mod found;
mod gleam;
mod go;
mod images;
mod java;
mod listing;
mod modules;
mod node;
mod overrides;
mod pages;
mod patterns;
mod php;
mod ports;
mod preset;
mod python;
mod recipe;
mod refusal;
mod repo;
mod ruby;
mod rust;
mod scala;
mod settings_file;
mod shell;
mod site;
mod swift;
mod texts;
mod versions;
mod words;

use serde::{Deserialize, Serialize};

pub use found::Found;
pub use images::{BaseImages, Mirror};
pub use listing::{FileKind, FileListing};
pub use overrides::SCHEMA;
pub use settings_file::{SETTINGS_FILE, settings_file};
pub use site::{GeneratedFile, StaticSite};
pub use texts::{FileText, FileTexts, MOST_TEXT_BYTES, MOST_WANTED, Wanted, wanted};

use overrides::Overrides;
use repo::Repo;

use crate::declared::Declared;
use crate::names::RepositoryPath;
use crate::rejection::Rejection;
use crate::source::BuildSettings;

/// The version of these rules: part of what makes two builds the same.
pub const RULES: u32 = 7;

/// Where a Dockerfile is looked for when none is named, best first.
const DOCKERFILES: &[&str] = &["Dockerfile", "dockerfile", "Containerfile"];
/// Folders into which site generators write; what lies there is finished whatever made it.
const BUILT_FOLDERS: &[&str] = &["dist", "build", "out", "_site"];
/// Folders in which a site made by hand lies.
const SITE_FOLDERS: &[&str] = &["public", "site", "www"];
/// Folders in which it lies more seldom: only where there is nothing else in any folder.
const FURTHER_FOLDERS: &[&str] = &["docs", "html", "htdocs", "public_html", "static", "src"];
/// Files that say that something has to be built first, so that an `index.html` beside them is a
/// template more often than a page.
const MANIFESTS: &[&str] = &[
    "package.json",
    "Cargo.toml",
    "go.mod",
    "requirements.txt",
    "pyproject.toml",
    "Pipfile",
    "Gemfile",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "mix.exs",
    "deno.json",
    "build.sbt",
    "project.clj",
    "shard.yml",
    "pubspec.yaml",
    "Package.swift",
];

/// How a repository becomes an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuildPlan {
    /// By its own Dockerfile.
    Dockerfile {
        /// Where it lies.
        path: RepositoryPath,
    },
    /// Its files are served as they are.
    Static(StaticSite),
    /// By a Dockerfile that was made for what was found in it.
    Preset {
        /// What it says.
        dockerfile: String,
    },
}

/// A plan, and what it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// What is built.
    pub plan: BuildPlan,
    /// The folder whose files are built: the one that the app names, or that of the workspace that it is a
    /// part of; all of the repository where there is none.
    pub context: Option<RepositoryPath>,
    /// What was found, for people.
    pub found: Found,
    /// The files that edges can serve themselves, where what is built is those and nothing else.
    pub site: Option<SiteFiles>,
    /// What runs besides, by what the repository says.
    pub declared: Declared,
}

/// Files of an image that are served as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFiles {
    /// The folder that they lie in, from the image's root.
    pub folder: String,
    /// Whether `index.html` answers for every page that is not there.
    pub single_page: bool,
}

impl Detected {
    /// What people said about who serves it goes before what was found.
    fn served(mut self, said: &Overrides) -> Result<Self, Rejection> {
        match &self.plan {
            BuildPlan::Dockerfile { .. } => {
                let single_page = said.single_page.unwrap_or_default();
                let files = |folder: &String| SiteFiles { folder: folder.clone(), single_page };
                self.site = said.image_folder.as_ref().map(files);
            }
            BuildPlan::Static(_) | BuildPlan::Preset { .. } if said.image_folder.is_some() => {
                return Err(Rejection::invalid(
                    "hythe.toml",
                    "[static] output is for an app with a Dockerfile; what a build without one leaves is \
                     named by output in [build]",
                ));
            }
            BuildPlan::Static(_) | BuildPlan::Preset { .. } => {}
        }
        match said.serve {
            Some(false) => self.site = None,
            Some(true) if self.site.is_none() => {
                return Err(Rejection::invalid(
                    "hythe.toml",
                    "[static] serve is true, and there are no files to be served: name the folder that the \
                     build leaves by output in [build], or with a Dockerfile the image's by output in [static]",
                ));
            }
            Some(true) | None => {}
        }
        Ok(self)
    }
}

/// Chooses how to build. `texts` is what was read of the files that [`wanted`] names.
///
/// # Errors
/// A [`Rejection`] says what was looked for and what to do.
pub fn detect(
    files: &FileListing,
    texts: &FileTexts,
    settings: &BuildSettings,
    images: &BaseImages,
) -> Result<Detected, Rejection> {
    let alone = alone::settings(files, settings);
    let of_folder = alone.as_ref().and_then(|alone| alone.context.as_ref());
    let why = of_folder.map(|folder| format!("{folder}/ is the one folder with an app"));
    let settings = alone.as_ref().unwrap_or(settings);
    let none = Overrides::default();
    let folder = settings.context.as_ref().map_or("", RepositoryPath::as_str);
    let repo = Repo { files, texts, folder, overrides: &none };
    let mut detected = plan(files, texts, settings, images)?;
    detected.found.reasons.splice(0..0, why);
    let said = match overrides::read(&repo) {
        Ok(said) => said,
        // The app names its Dockerfile, which goes without what else is said of the build. What runs
        // besides, and before a version starts, is not left out for it.
        Err(_) => overrides::beside(&repo)?,
    };
    let declared = said.declared.clone();
    Ok(Detected { declared, ..detected.served(&said)? })
}

fn plan(
    files: &FileListing,
    texts: &FileTexts,
    settings: &BuildSettings,
    images: &BaseImages,
) -> Result<Detected, Rejection> {
    let folder = settings.context.as_ref();
    if let Some(folder) = folder
        && files.kind(folder.as_str()) != Some(FileKind::Folder)
    {
        return Err(refusal::no_folder(folder));
    }
    if let Some(path) = &settings.dockerfile {
        let path = refusal::named(files, path)?;
        let why = vec!["the app names this Dockerfile".to_owned()];
        return Ok(by_dockerfile(path, settings, why));
    }
    let none = Overrides::default();
    let folder = folder.map_or("", RepositoryPath::as_str);
    let overrides = overrides::read(&Repo { files, texts, folder, overrides: &none })?;
    let repo = Repo { files, texts, folder, overrides: &overrides };
    if let Some(path) = &overrides.dockerfile {
        let path = known(&repo.at(path.as_str()))?;
        let path = refusal::named(files, &path)?;
        return Ok(by_dockerfile(path, settings, overrides.reasons.clone()));
    }
    if !overrides.beats_dockerfile
        && let Some(name) = repo.first(DOCKERFILES)
    {
        let mut reasons = vec![format!("there is a {name}, which goes before all else")];
        if overrides.steps_named() {
            reasons.push("steps named elsewhere are not used beside it".to_owned());
        }
        return Ok(by_dockerfile(known(&repo.at(name))?, settings, reasons));
    }
    if overrides.preset.as_deref() == Some("static") {
        let folder = overrides.output.clone().unwrap_or_default();
        if !folder.is_empty() && !repo.has_folder(&folder) {
            return Err(refusal::no_site(&repo.at(&folder)));
        }
        return site_in(&repo, &folder, settings, overrides.reasons.clone(), images);
    }
    if let Some(detected) = preset::find(&repo, settings, images)? {
        return Ok(detected);
    }
    if let Some(root) = staticfile(&repo).filter(|root| root.is_empty() || repo.has_folder(root)) {
        let why = vec!["Staticfile names the folder that is served".to_owned()];
        return site_in(&repo, &root, settings, why, images);
    }
    let manifest = MANIFESTS.iter().find(|name| repo.has(name));
    // Beside a manifest only what a generator wrote is taken for finished; without anything that
    // would build, also a page at the root.
    let (root, by_hand): (&[&str], &[&str]) = match manifest {
        None => (&[""], SITE_FOLDERS),
        Some(&"package.json") => (&[""], &[]),
        Some(_) => (&[], &[]),
    };
    let further: &[&str] = match manifest {
        None if refusal::folders_with_apps(&repo).is_empty() => FURTHER_FOLDERS,
        None | Some(_) => &[],
    };
    for folder in root.iter().chain(BUILT_FOLDERS).chain(by_hand).chain(further) {
        let index = if folder.is_empty() {
            "index.html".to_owned()
        } else {
            format!("{folder}/index.html")
        };
        if repo.has(&index) {
            return site_in(&repo, folder, settings, vec![format!("{index} is there")], images);
        }
    }
    Err(refusal::nothing_found(&repo, manifest.copied()))
}

/// The folder that a `Staticfile`, of Cloud Foundry and others, has served; `""` for all there is.
fn staticfile(repo: &Repo<'_>) -> Option<String> {
    let text = repo.text("Staticfile").ok().flatten()?;
    let root = text.lines().find_map(|line| line.trim().strip_prefix("root:"));
    match root.map(|root| root.trim().trim_matches(['"', '\''])) {
        None | Some("" | "." | "./") => Some(String::new()),
        Some(root) => words::path(root, "root in Staticfile").ok(),
    }
}

fn by_dockerfile(path: RepositoryPath, settings: &BuildSettings, reasons: Vec<String>) -> Detected {
    let found = Found::of_dockerfile(&path, reasons);
    let plan = BuildPlan::Dockerfile { path };
    let context = settings.context.clone();
    Detected { plan, context, found, site: None, declared: Declared::default() }
}

/// The files of one folder of what is built.
fn site_in(
    repo: &Repo<'_>,
    folder: &str,
    settings: &BuildSettings,
    reasons: Vec<String>,
    images: &BaseImages,
) -> Result<Detected, Rejection> {
    let folder = Some(repo.at(folder)).filter(|folder| !folder.is_empty());
    let folder = folder.map(|folder| known(&folder)).transpose()?;
    let page = folder.as_ref().map_or("404.html".to_owned(), |folder| format!("{folder}/404.html"));
    let site = StaticSite { folder, not_found_page: repo.files.has_file(&page) };
    let found = Found::of_site(&site, reasons, images);
    let single_page = repo.overrides.single_page.unwrap_or_default();
    let files = SiteFiles { folder: site::ROOT.to_owned(), single_page };
    let plan = BuildPlan::Static(site);
    let context = settings.context.clone();
    Ok(Detected { plan, context, found, site: Some(files), declared: Declared::default() })
}

/// A name from the tables above, below a folder that was checked.
fn known(name: &str) -> Result<RepositoryPath, Rejection> {
    RepositoryPath::new(name).map_err(|error| Rejection::invalid("source", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(files: &FileListing, settings: &BuildSettings) -> Result<BuildPlan, Rejection> {
        let texts = FileTexts::default();
        super::detect(files, &texts, settings, &BaseImages::default()).map(|found| found.plan)
    }

    fn listing(files: &[&str]) -> FileListing {
        files
            .iter()
            .map(|path| match (path.strip_suffix('/'), path.strip_suffix('@')) {
                (Some(folder), _) => (folder, FileKind::Folder),
                (None, Some(link)) => (link, FileKind::Link),
                (None, None) => (*path, FileKind::File),
            })
            .collect()
    }

    fn settings(dockerfile: Option<&str>) -> BuildSettings {
        let dockerfile = dockerfile.map(|path| RepositoryPath::new(path).unwrap());
        BuildSettings { dockerfile, ..BuildSettings::default() }
    }

    fn site(folder: Option<&str>, not_found_page: bool) -> BuildPlan {
        let folder = folder.map(|folder| RepositoryPath::new(folder).unwrap());
        BuildPlan::Static(StaticSite { folder, not_found_page })
    }

    fn by(path: &str) -> BuildPlan {
        BuildPlan::Dockerfile { path: RepositoryPath::new(path).unwrap() }
    }

    #[test]
    fn what_is_there_says_how_to_build() {
        let rows: &[(&[&str], Option<&str>, BuildPlan)] = &[
            (&["Dockerfile", "package.json"], None, by("Dockerfile")),
            (&["dockerfile"], None, by("dockerfile")),
            (&["Containerfile"], None, by("Containerfile")),
            (&["Containerfile", "Dockerfile", "dockerfile"], None, by("Dockerfile")),
            (&["Dockerfile@"], None, by("Dockerfile")),
            (&["Dockerfile/", "index.html"], None, site(None, false)),
            (&["Dockerfile", "ops/prod.Dockerfile"], Some("ops/prod.Dockerfile"), {
                by("ops/prod.Dockerfile")
            }),
            (&["index.html", "404.html"], None, site(None, true)),
            (&["index.html", "package.json"], None, site(None, false)),
            (&["index.html", "public/index.html"], None, site(None, false)),
            (&["README.md", "public/index.html", "404.html"], None, site(Some("public"), false)),
            (&["dist/index.html", "dist/404.html", "package.json"], None, site(Some("dist"), true)),
            (&["public/index.html", "package.json", "_site/index.html"], None, {
                site(Some("_site"), false)
            }),
        ];
        for (files, dockerfile, plan) in rows {
            let found = detect(&listing(files), &settings(*dockerfile));
            assert_eq!(found.as_ref(), Ok(plan), "{files:?}");
        }
    }

    #[test]
    fn what_runs_besides_is_read_also_where_the_app_names_a_dockerfile() {
        let of = |texts: &[(&str, &str)]| {
            let files: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
            let files = listing(&[&["ops/Dockerfile"][..], &files[..]].concat());
            let text = |(name, text): &(&str, &str)| {
                ((*name).to_owned(), FileText::Text((*text).to_owned()))
            };
            let texts: FileTexts = texts.iter().map(text).collect();
            super::detect(&files, &texts, &settings(Some("ops/Dockerfile")), &BaseImages::default())
        };
        let release = ("Procfile", "web:\nrelease: bin/migrate\n");
        // What only says how it is built cannot be read, and is nothing to it.
        for more in [("README.md", ""), ("railpack.json", "{"), ("nixpacks.toml", "[")] {
            let declared = of(&[release, more]).unwrap().declared;
            assert_eq!(declared.release.unwrap().words(), ["bin/migrate"], "{more:?}");
        }
        let wrong = ("hythe.toml", "[processes.jobs]\ncomand = \"x\"\n");
        let refusal = of(&[release, wrong]).unwrap_err().to_string();
        assert!(refusal.contains("line 2") && refusal.contains("command"), "{refusal}");
    }

    #[test]
    fn a_folder_of_a_larger_repository_is_looked_at_like_a_repository() {
        fn there<'a>(files: &[&'a str]) -> Vec<&'a str> {
            [&["apps/", "apps/web/", "Dockerfile"], files].concat()
        }
        let of = |files: &[&str], dockerfile| {
            let context = Some(RepositoryPath::new("apps/web").unwrap());
            detect(&listing(files), &BuildSettings { context, ..settings(dockerfile) })
        };
        let rows: &[(&[&str], Option<&str>, BuildPlan)] = &[
            (&["apps/web/Dockerfile"], None, by("apps/web/Dockerfile")),
            (&["ops/Dockerfile"], Some("ops/Dockerfile"), by("ops/Dockerfile")),
            (&["apps/web/index.html"], None, site(Some("apps/web"), false)),
            (&["apps/web/dist/index.html", "apps/web/404.html"], None, {
                site(Some("apps/web/dist"), false)
            }),
        ];
        for (files, dockerfile, plan) in rows {
            assert_eq!(of(&there(files), *dockerfile).as_ref(), Ok(plan), "{files:?}");
        }
        let refusal = of(&there(&["apps/web/package.json"]), None).unwrap_err().to_string();
        assert!(refusal.contains("in apps/web/") && refusal.contains("name it"), "{refusal}");
        let refusal = of(&["index.html"], None).unwrap_err().to_string();
        assert!(refusal.contains("no folder apps/web"), "{refusal}");
    }

    #[test]
    fn a_refusal_says_what_was_looked_for_and_what_to_do() {
        let rows: &[(&[&str], Option<&str>, &[&str])] = &[
            (&[], None, &["no files"]),
            (&["main.c"], None, &["Dockerfile, dockerfile, Containerfile", "add a Dockerfile"]),
            (&["package.json", "public/index.html"], None, &["package.json", "add a Dockerfile"]),
            (&["docker/Dockerfile.prod"], None, &["docker/Dockerfile.prod", "name it"]),
            (
                &["Dockerfile"],
                Some("ops/Dockerfile"),
                &["no ops/Dockerfile", "there is Dockerfile"],
            ),
            (&["ops/"], Some("ops"), &["ops is a folder"]),
            (&["Dockerfile.dockerignore"], Some("x"), &["counts from the root"]),
        ];
        for (files, dockerfile, parts) in rows {
            let refusal = detect(&listing(files), &settings(*dockerfile)).unwrap_err().to_string();
            for part in *parts {
                assert!(refusal.contains(part), "{files:?}: {refusal}");
            }
        }
    }
}
