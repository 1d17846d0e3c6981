//! What a request for a path of a site comes to: a table, tried from top to bottom.
//!
//! 1. A rule of `_redirects` with `!`.
//! 2. A file of that name; a page without its `.html`; the `index.html` of a folder. Where one of those is
//!    meant by another spelling (`/a` for the folder `a/`, `/a/` for the page `a`), it is sent on to that,
//!    since links in the page count from there.
//! 3. A file that only an earlier version has, where its name holds a digest: pages that are still open ask
//!    for it, and `/* /index.html 200` is not meant for them.
//! 4. The other rules of `_redirects`, in their order.
//! 5. `index.html` of a single-page app, unless what is asked for is a part of a page, as a script is.
//! 6. `404.html`.

use super::manifest::{Manifest, SiteFile};
use super::redirects::{Redirect, escape_into};
use super::target::{Target, is_immutable, is_part_of_a_page};

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// A file.
    File(Served<'a>),
    /// Elsewhere.
    Elsewhere {
        /// A path, or a whole address; the request's query is not in it.
        to: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// There is nothing, and no page that says so.
    Nothing,
}

/// A file that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served<'a> {
    /// Where it lies.
    pub path: &'a str,
    /// Which one.
    pub file: &'a SiteFile,
    /// 200 or 404.
    pub status: u16,
}

/// A site as requests meet it: its manifest, and those of the versions before, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a, M> {
    /// The present one.
    pub site: &'a Manifest,
    /// Those before.
    pub earlier: &'a [M],
}

impl<'a, M: AsRef<Manifest>> Rules<'a, M> {
    /// What is answered.
    #[must_use]
    pub fn answer(&self, target: &Target) -> Answer<'a> {
        if !target.is_public() {
            return self.missing(target);
        }
        let path = target.path.as_str();
        if let Some(answer) = self.redirected(path, true) {
            return answer;
        }
        match page(self.site, target) {
            Answer::Nothing => {}
            found @ (Answer::File(_) | Answer::Elsewhere { .. }) => return found,
        }
        let before = self.earlier.iter().filter(|_| !target.folder && is_immutable(path));
        let mut before = before.filter_map(|manifest| exact(manifest.as_ref(), path));
        if let Some(served) = before.next() {
            return Answer::File(served);
        }
        self.redirected(path, false).unwrap_or_else(|| self.missing(target))
    }

    fn redirected(&self, path: &str, force: bool) -> Option<Answer<'a>> {
        let rules = self.site.redirects.iter().filter(|rule| rule.force == force);
        rules.into_iter().find_map(|rule| self.by(rule, path))
    }

    /// What a rule comes to, where it is about this path and leads to something else.
    fn by(&self, rule: &'a Redirect, path: &str) -> Option<Answer<'a>> {
        let to = rule.target(&rule.from.fits(path)?);
        if rule.sends_on() {
            // A rule that leads to where it was met would lead there again and again.
            let same = Target::parse(to.split(['?', '#']).next().unwrap_or_default());
            let loops = !to.contains("://") && same.is_some_and(|same| same.path == path);
            return (!loops).then_some(Answer::Elsewhere { to, status: rule.status });
        }
        let target = Target::parse(to.split(['?', '#']).next().unwrap_or_default())?;
        // A rule makes nothing public that is a repository's own business.
        if !target.is_public() {
            return None;
        }
        let served = match page(self.site, &target) {
            Answer::File(served) => Some(served),
            // Another spelling of a page: here nobody sees the difference.
            Answer::Elsewhere { to, .. } => match page(self.site, &Target::parse(&to)?) {
                Answer::File(served) => Some(served),
                Answer::Elsewhere { .. } | Answer::Nothing => None,
            },
            Answer::Nothing => None,
        }?;
        Some(Answer::File(Served { status: rule.status, ..served }))
    }

    fn missing(&self, target: &Target) -> Answer<'a> {
        let index = self.site.single_page && target.is_public() && !is_part_of_a_page(&target.path);
        let page = if index { exact(self.site, "index.html") } else { None };
        let page = page.or_else(|| {
            exact(self.site, "404.html").map(|served| Served { status: 404, ..served })
        });
        page.map_or(Answer::Nothing, Answer::File)
    }
}

fn exact<'a>(site: &'a Manifest, path: &str) -> Option<Served<'a>> {
    // What is asked for is compared with names that were checked, so it needs no check of its own.
    let (known, file) = site.files.get_key_value(path)?;
    Some(Served { path: known.as_str(), file, status: 200 })
}

fn page<'a>(site: &'a Manifest, target: &Target) -> Answer<'a> {
    let path = target.path.as_str();
    let of_folder = || match path {
        "" => exact(site, "index.html"),
        path => exact(site, &format!("{path}/index.html")),
    };
    let html = || exact(site, &format!("{path}.html"));
    let found = if target.folder { of_folder() } else { exact(site, path).or_else(html) };
    if let Some(served) = found {
        return Answer::File(served);
    }
    let elsewhere = |slash: &str| {
        let mut to = "/".to_owned();
        escape_into(path, &mut to);
        to.push_str(slash);
        Answer::Elsewhere { to, status: 308 }
    };
    if !target.folder && of_folder().is_some() {
        return elsewhere("/");
    }
    if target.folder && !path.is_empty() && html().is_some() {
        return elsewhere("");
    }
    Answer::Nothing
}

#[cfg(test)]
mod tests {
    use super::super::{FileHash, MANIFEST_FORMAT, SitePath, Variants, parse_redirects};
    use super::*;

    fn site(files: &[&str], redirects: &str, single_page: bool) -> Manifest {
        let file = |path: &&str| {
            let hash = FileHash::new("a".repeat(64)).unwrap();
            (
                SitePath::new(*path).unwrap(),
                SiteFile { hash, bytes: 1, variants: Variants::default() },
            )
        };
        Manifest {
            format: MANIFEST_FORMAT,
            single_page,
            redirects: parse_redirects(redirects).unwrap(),
            headers: Vec::new(),
            files: files.iter().map(file).collect(),
        }
    }

    struct Before(Manifest);

    impl AsRef<Manifest> for Before {
        fn as_ref(&self) -> &Manifest {
            &self.0
        }
    }

    fn told(site: &Manifest, earlier: &[Before], path: &str) -> String {
        let Some(target) = Target::parse(path) else { return "nothing".to_owned() };
        match (Rules { site, earlier }).answer(&target) {
            Answer::File(served) => format!("{} {}", served.status, served.path),
            Answer::Elsewhere { to, status } => format!("{status} {to}"),
            Answer::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn pages_are_found_by_their_clean_names() {
        let files = [
            "index.html",
            "about.html",
            "docs/index.html",
            "both.html",
            "both/index.html",
            "a b/index.html",
            ".well-known/security.txt",
            "404.html",
        ];
        let site = site(&files, "", false);
        let rows = [
            ("/", "200 index.html"),
            ("/index.html", "200 index.html"),
            ("/about", "200 about.html"),
            ("/about.html", "200 about.html"),
            ("/about/", "308 /about"),
            ("/docs", "308 /docs/"),
            ("/docs/", "200 docs/index.html"),
            ("/both", "200 both.html"),
            ("/both/", "200 both/index.html"),
            ("/a%20b", "308 /a%20b/"),
            ("/.well-known/security.txt", "200 .well-known/security.txt"),
            ("/.env", "404 404.html"),
            ("/nope", "404 404.html"),
            ("/docs/nope/", "404 404.html"),
            ("/index.html/", "404 404.html"),
        ];
        for (path, expected) in rows {
            assert_eq!(told(&site, &[], path), expected, "{path}");
        }
    }

    #[test]
    fn rules_come_before_or_after_files_as_they_say() {
        let rules = "/old /new\n/about /elsewhere 302\n/docs /new 302!\n/app/* /shell.html 200\n/loop /loop\n/user/:id /about/ 200\n/gone /shell 404\n/x /nope 200\n";
        let site = site(&["about.html", "docs.html", "shell.html", "new.html"], rules, false);
        let rows = [
            ("/old", "301 /new"),
            ("/old/", "301 /new"),
            ("/about", "200 about.html"),
            ("/docs", "302 /new"),
            ("/app/x/y", "200 shell.html"),
            ("/app", "200 shell.html"),
            ("/loop", "nothing"),
            ("/user/7", "200 about.html"),
            ("/gone", "404 shell.html"),
            ("/x", "nothing"),
        ];
        for (path, expected) in rows {
            assert_eq!(told(&site, &[], path), expected, "{path}");
        }
    }

    #[test]
    fn a_single_page_answers_for_pages_and_not_for_their_parts() {
        let site = site(&["index.html", "404.html", "assets/app-1a2b3c4d.js"], "", true);
        let rows = [
            ("/orders/7", "200 index.html"),
            ("/jane.doe", "200 index.html"),
            ("/assets/app-00000000.js", "404 404.html"),
            ("/.git/config", "404 404.html"),
            ("/assets/app-1a2b3c4d.js", "200 assets/app-1a2b3c4d.js"),
        ];
        for (path, expected) in rows {
            assert_eq!(told(&site, &[], path), expected, "{path}");
        }
    }

    #[test]
    fn of_versions_before_only_what_is_named_after_its_content_is_found() {
        let now = site(&["index.html", "assets/app-1a2b3c4d.js"], "", false);
        let before = [
            Before(site(&["assets/app-0f0f0f0f.js", "old.html"], "", false)),
            Before(site(&["assets/app-aaaa1111.js"], "", false)),
        ];
        let rows = [
            ("/assets/app-0f0f0f0f.js", "200 assets/app-0f0f0f0f.js"),
            ("/assets/app-aaaa1111.js", "200 assets/app-aaaa1111.js"),
            ("/old", "nothing"),
            ("/old.html", "nothing"),
            ("/assets/app-bbbb2222.js", "nothing"),
        ];
        for (path, expected) in rows {
            assert_eq!(told(&now, &before, path), expected, "{path}");
        }
        // What answers for every page does not answer for a script of the version before.
        let all = site(&["index.html", ".env"], "/* /index.html 200\n/secret /.env 200!", false);
        let rows = [
            ("/assets/app-0f0f0f0f.js", "200 assets/app-0f0f0f0f.js"),
            ("/orders/7", "200 index.html"),
            ("/secret", "200 index.html"),
        ];
        for (path, expected) in rows {
            assert_eq!(told(&all, &before, path), expected, "{path}");
        }
    }
}
