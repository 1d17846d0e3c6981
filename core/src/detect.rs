//! Finds out how a repository becomes an image.
//!
//! A Dockerfile always wins. Without one, a folder of static files gets a small server around it.
//! Anything else is refused with what was looked for and what to do: guessing wrong costs people
//! more than one line of Dockerfile. Deterministic: the same files and settings give the same plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::RepositoryPath;
use crate::rejection::Rejection;
use crate::source::BuildSettings;

/// The version of these rules: part of what makes two builds the same.
pub const RULES: u32 = 1;

/// Where a Dockerfile is looked for when none is named, best first.
const DOCKERFILES: &[&str] = &["Dockerfile", "dockerfile", "Containerfile"];
/// Folders into which site generators write; what lies there is finished whatever made it.
const BUILT_FOLDERS: &[&str] = &["dist", "build", "out", "_site"];
/// Folders in which a site made by hand lies.
const SITE_FOLDERS: &[&str] = &["public", "site", "www"];
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
];

/// What lies at a path; links are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
}

/// The files of a checkout: paths relative to its root, with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileListing(BTreeMap<String, FileKind>);

impl FileListing {
    /// What lies at a path.
    #[must_use]
    pub fn kind(&self, path: &str) -> Option<FileKind> {
        self.0.get(path).copied()
    }

    /// A file, or a link that may lead to one.
    fn has_file(&self, path: &str) -> bool {
        matches!(self.kind(path), Some(FileKind::File | FileKind::Link))
    }

    /// Names at the root that are those of a Dockerfile but for upper and lower case or an ending.
    fn like_dockerfiles(&self) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(path, kind)| {
                let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
                **kind == FileKind::File && name.contains("dockerfile") && !name.ends_with("ignore")
            })
            .map(|(path, _)| path.as_str())
            .take(3)
            .collect()
    }
}

impl<S: Into<String>> FromIterator<(S, FileKind)> for FileListing {
    fn from_iter<I: IntoIterator<Item = (S, FileKind)>>(files: I) -> Self {
        Self(files.into_iter().map(|(path, kind)| (path.into(), kind)).collect())
    }
}

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
}

/// Files to be served as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticSite {
    /// The folder that is served; the whole repository where there is none.
    pub folder: Option<RepositoryPath>,
    /// Whether it has a page of its own for what is not found: `404.html`.
    pub not_found_page: bool,
}

/// A text file that goes into the build besides those of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its path in what is sent to the engine.
    pub path: &'static str,
    /// What it holds.
    pub text: String,
}

impl StaticSite {
    /// The folder of what is sent to the engine that holds the site's files.
    pub const FOLDER: &'static str = "site";
    /// The Dockerfile beside it.
    pub const DOCKERFILE: &'static str = "Dockerfile";
    /// The server that the generated image is made from when nothing else is set.
    pub const BASE_IMAGE: &'static str = "busybox:latest";
    /// Files that are not for visitors, in the syntax of `.dockerignore`: a repository's own
    /// housekeeping, while `.well-known` is part of the web.
    pub const UNPUBLISHED: &'static [&'static str] = &["**/.*", "!.well-known"];

    /// What makes an image of it. `base` is an image with busybox's `httpd` and `sh`.
    #[must_use]
    pub fn files(&self, base: &str) -> Vec<GeneratedFile> {
        let folder = Self::FOLDER;
        // exec: the server itself gets the signal that asks it to stop.
        let dockerfile = format!(
            "FROM {base}\n\
             COPY httpd.conf /etc/httpd.conf\n\
             COPY {folder}/ /srv/\n\
             USER 65534:65534\n\
             EXPOSE 8080\n\
             CMD [\"sh\", \"-c\", \"exec httpd -f -p ${{PORT:-8080}} -h /srv -c /etc/httpd.conf\"]\n"
        );
        let mut conf: String =
            TYPES.iter().map(|(ending, kind)| format!(".{ending}:{kind}\n")).collect();
        if self.not_found_page {
            conf.push_str("E404:404.html\n");
        }
        vec![
            GeneratedFile { path: Self::DOCKERFILE, text: dockerfile },
            GeneratedFile { path: "httpd.conf", text: conf },
        ]
    }
}

/// What browsers insist on and busybox does not know by itself.
const TYPES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("css", "text/css"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/x-icon"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("mjs", "text/javascript"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xml", "application/xml"),
];

/// Chooses how to build.
///
/// # Errors
/// A [`Rejection`] says what was looked for and what to do.
pub fn detect(files: &FileListing, settings: &BuildSettings) -> Result<BuildPlan, Rejection> {
    if let Some(path) = &settings.dockerfile {
        return named(files, path);
    }
    for name in DOCKERFILES {
        if files.has_file(name) {
            return known(name).map(|path| BuildPlan::Dockerfile { path });
        }
    }
    let manifest = MANIFESTS.iter().find(|name| files.has_file(name));
    // Beside a manifest only what a generator wrote is taken for finished.
    let (root, by_hand): (&[&str], &[&str]) =
        if manifest.is_none() { (&[""], SITE_FOLDERS) } else { (&[], &[]) };
    for folder in root.iter().chain(BUILT_FOLDERS).chain(by_hand) {
        let inside = |name: &str| {
            if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
        };
        if files.has_file(&inside("index.html")) {
            let folder = if folder.is_empty() { None } else { Some(known(folder)?) };
            let not_found_page = files.has_file(&inside("404.html"));
            return Ok(BuildPlan::Static(StaticSite { folder, not_found_page }));
        }
    }
    Err(nothing_found(files, manifest.copied()))
}

/// A name from the tables above.
fn known(name: &str) -> Result<RepositoryPath, Rejection> {
    RepositoryPath::new(name).map_err(|error| Rejection::invalid("source", error.to_string()))
}

fn named(files: &FileListing, path: &RepositoryPath) -> Result<BuildPlan, Rejection> {
    let why = match files.kind(path.as_str()) {
        Some(FileKind::File | FileKind::Link) => {
            return Ok(BuildPlan::Dockerfile { path: path.clone() });
        }
        Some(FileKind::Folder) => format!("{path} is a folder; name the file inside it"),
        None => {
            let near = files.like_dockerfiles();
            let hint = if near.is_empty() {
                "the path counts from the root of the repository".to_owned()
            } else {
                format!("there is {}", near.join(", "))
            };
            format!("there is no {path} in this commit; {hint}")
        }
    };
    Err(Rejection::invalid("dockerfile", why))
}

fn nothing_found(files: &FileListing, manifest: Option<&str>) -> Rejection {
    let near = files.like_dockerfiles();
    let hint = match (near.first(), manifest) {
        (Some(_), _) => format!("there is {}: name it as the Dockerfile to use", near.join(", ")),
        (None, Some(manifest)) => format!(
            "there is a {manifest}, but Hythe does not build that by itself yet: add a Dockerfile"
        ),
        (None, None) if files.0.is_empty() => "the commit has no files".to_owned(),
        (None, None) => "add a Dockerfile, or name the path of one".to_owned(),
    };
    let folders: Vec<&str> = BUILT_FOLDERS.iter().chain(SITE_FOLDERS).copied().collect();
    Rejection::invalid(
        "source",
        format!(
            "nothing to build was found: looked for {} at the root, and for index.html at the root \
             and in {}; {hint}",
            DOCKERFILES.join(", "),
            folders.join(", "),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
        BuildSettings { dockerfile: dockerfile.map(|path| RepositoryPath::new(path).unwrap()) }
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
    fn a_refusal_says_what_was_looked_for_and_what_to_do() {
        let rows: &[(&[&str], Option<&str>, &[&str])] = &[
            (&[], None, &["no files"]),
            (&["main.c"], None, &["Dockerfile, dockerfile, Containerfile", "add a Dockerfile"]),
            (&["package.json", "public/index.html"], None, &["package.json", "add a Dockerfile"]),
            (&["index.html", "package.json"], None, &["package.json"]),
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

    #[test]
    fn a_site_gets_a_server_that_is_not_root() {
        let site = StaticSite { folder: None, not_found_page: true };
        let files = site.files(StaticSite::BASE_IMAGE);
        let dockerfile = &files[0].text;
        assert!(dockerfile.starts_with("FROM busybox:latest\n"), "{dockerfile}");
        assert!(dockerfile.contains("USER 65534"), "{dockerfile}");
        assert!(dockerfile.contains("${PORT:-8080}"), "{dockerfile}");
        assert!(files[1].text.contains(".svg:image/svg+xml\n"));
        assert!(files[1].text.ends_with("E404:404.html\n"));
    }
}
