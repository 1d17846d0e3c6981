//! Files that are served as they are, and the small server that does it.

use serde::{Deserialize, Serialize};

use super::images::{BUSYBOX, BaseImages};
use super::recipe::Missing;
use crate::names::RepositoryPath;

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

/// Where the server's settings lie in the image.
pub(super) const CONF: &str = "/etc/httpd.conf";
/// Where the files lie in the image.
pub(super) const ROOT: &str = "/srv";

impl StaticSite {
    /// The folder of what is sent to the engine that holds the site's files.
    pub const FOLDER: &'static str = "site";
    /// The Dockerfile beside it.
    pub const DOCKERFILE: &'static str = "Dockerfile";
    /// Files that are not for visitors, in the syntax of `.dockerignore`: a repository's own
    /// housekeeping, while `.well-known` is part of the web.
    pub const UNPUBLISHED: &'static [&'static str] = &["**/.*", "!.well-known"];

    /// What makes an image of it.
    #[must_use]
    pub fn files(&self, images: &BaseImages) -> Vec<GeneratedFile> {
        let (folder, base) = (Self::FOLDER, images.name(BUSYBOX));
        let dockerfile = format!(
            "FROM {base}\n\
             COPY httpd.conf {CONF}\n\
             COPY {folder}/ {ROOT}/\n\
             USER 65534:65534\n\
             EXPOSE 8080\n\
             CMD {}\n",
            command(),
        );
        let missing = self.not_found_page.then_some(Missing::Page);
        let conf: String = conf(missing).into_iter().map(|line| line + "\n").collect();
        vec![
            GeneratedFile { path: Self::DOCKERFILE, text: dockerfile },
            GeneratedFile { path: "httpd.conf", text: conf },
        ]
    }
}

/// What serves the files. `exec`: the server itself gets the signal that asks it to stop.
pub(super) fn command() -> String {
    format!("[\"sh\", \"-c\", \"exec httpd -f -p ${{PORT:-8080}} -h {ROOT} -c {CONF}\"]")
}

/// The lines of the server's settings.
pub(super) fn conf(missing: Option<Missing>) -> Vec<String> {
    let mut lines: Vec<String> =
        TYPES.iter().map(|(ending, kind)| format!(".{ending}:{kind}")).collect();
    lines.extend(missing.map(|missing| match missing {
        Missing::Page => "E404:404.html".to_owned(),
        Missing::Index => "E404:index.html".to_owned(),
    }));
    lines
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_gets_a_server_that_is_not_root() {
        let site = StaticSite { folder: None, not_found_page: true };
        let files = site.files(&BaseImages::default());
        let dockerfile = &files[0].text;
        assert!(dockerfile.starts_with("FROM busybox:1.37\n"), "{dockerfile}");
        assert!(dockerfile.contains("USER 65534"), "{dockerfile}");
        assert!(dockerfile.contains("${PORT:-8080}"), "{dockerfile}");
        assert!(files[1].text.contains(".svg:image/svg+xml\n"));
        assert!(files[1].text.ends_with("E404:404.html\n"));
    }
}
