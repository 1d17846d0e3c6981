//! `_headers`, as Netlify and Cloudflare Pages read it: a path, and below it indented `Name: value`.

use serde::{Deserialize, Serialize};

use super::manifest::BadSite;
use super::pattern::Pattern;

/// The file.
pub(super) const FILE: &str = "_headers";
/// The most rules: Cloudflare's bound.
const MOST_RULES: usize = 100;
/// The most headers of one rule.
const MOST_HEADERS: usize = 64;
/// The most characters of a line: Cloudflare's bound.
const MOST_LINE: usize = 2_000;
/// What is the server's own to say: how a message ends, what it holds, and who may see it.
const RESERVED: &[&str] = &[
    "accept-ranges",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "etag",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
];

/// What has a line for each value (RFC 6265, 3).
const COOKIES: &str = "set-cookie";

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRule {
    /// Which paths.
    pub of: Pattern,
    /// Names in lower case, and values; one that stands without a value is taken away.
    pub set: Vec<(String, Option<String>)>,
}

/// Rules, as they apply to one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Names in lower case, and values. Named by several rules, a header has all their values, comma between; only
    /// cookies stand in a line of their own each.
    pub set: Vec<(String, String)>,
    /// What is taken away.
    pub removed: Vec<String>,
}

impl HeaderRules {
    /// What holds for a path ([`super::Target::path`]).
    #[must_use]
    pub fn of(rules: &[HeaderRule], path: &str) -> Self {
        let mut all = Self::default();
        for rule in rules.iter().filter(|rule| rule.of.fits(path).is_some()) {
            for (name, value) in &rule.set {
                let joined = |known: &String| known == name && name != COOKIES;
                let known = all.set.iter_mut().find(|(known, _)| joined(known));
                match (value, known) {
                    (None, _) => {
                        all.set.retain(|(known, _)| known != name);
                        all.removed.push(name.clone());
                    }
                    (Some(value), Some((_, said))) => {
                        said.push_str(", ");
                        said.push_str(value);
                    }
                    (Some(value), None) => all.set.push((name.clone(), value.clone())),
                }
            }
        }
        all
    }
}

/// Reads the file.
///
/// # Errors
/// The first line that cannot be used, and what would be right.
pub fn parse(text: &str) -> Result<Vec<HeaderRule>, BadSite> {
    let mut rules: Vec<HeaderRule> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |why: String| BadSite::Line { file: FILE, line: at + 1, why };
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if line.chars().count() > MOST_LINE {
            return Err(wrong(format!("it has more than {MOST_LINE} characters")));
        }
        if !line.starts_with([' ', '\t']) {
            if rules.len() == MOST_RULES {
                return Err(wrong(format!("there are at most {MOST_RULES} rules")));
            }
            let path = line.trim();
            let of = path.parse().map_err(|why| wrong(format!("{path} {why}")))?;
            rules.push(HeaderRule { of, set: Vec::new() });
            continue;
        }
        let Some(rule) = rules.last_mut() else {
            return Err(wrong("a header stands below the path that it is for".into()));
        };
        if rule.set.len() == MOST_HEADERS {
            return Err(wrong(format!("a path has at most {MOST_HEADERS} headers")));
        }
        rule.set.push(header(line.trim()).map_err(wrong)?);
    }
    Ok(rules)
}

fn header(line: &str) -> Result<(String, Option<String>), String> {
    let token = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let (name, value) = match line.strip_prefix('!') {
        Some(name) => (name.trim(), None),
        None => {
            let (name, value) =
                line.split_once(':').ok_or("a header is `Name: value`, indented")?;
            (name.trim(), Some(value.trim().to_owned()))
        }
    };
    if !token(name) {
        return Err(format!("{name:?} is no name of a header"));
    }
    let name = name.to_ascii_lowercase();
    if name == "basic-auth" {
        return Err("no password is asked for by this line, and it would be sent to everybody; take it out, and \
             give people passwords with: hythe traffic login APP --username NAME --password-stdin"
            .into());
    }
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("{name} is set by the edge itself"));
    }
    let visible =
        |text: &String| text.chars().all(|c| c == ' ' || c == '\t' || c.is_ascii_graphic());
    if value.as_ref().is_some_and(|value| !visible(value)) {
        return Err(format!("the value of {name} is of visible ASCII characters"));
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_add_up_and_take_away() {
        let text = "/*\n  X-Frame-Options: DENY\n  Cache-Control: no-store\n\n# assets\n/assets/*\n\t! X-Frame-Options\n  cache-control: public\n";
        let rules = parse(text).unwrap();
        let of = |path| HeaderRules::of(&rules, path);
        assert_eq!(of("a").set.len(), 2);
        let assets = of("assets/x.js");
        assert_eq!(assets.set, [("cache-control".to_owned(), "no-store, public".to_owned())]);
        assert_eq!(assets.removed, ["x-frame-options"]);
    }

    #[test]
    fn each_cookie_has_a_line_of_its_own() {
        let text = "/*\n  Set-Cookie: a=1\n  Set-Cookie: b=2\n/x\n  ! Set-Cookie\n";
        let rules = parse(text).unwrap();
        let cookie = |value: &str| ("set-cookie".to_owned(), value.to_owned());
        assert_eq!(HeaderRules::of(&rules, "a").set, [cookie("a=1"), cookie("b=2")]);
        assert_eq!(HeaderRules::of(&rules, "x").set, []);
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_line() {
        let rows = [
            ("  X: y", "below the path"),
            ("/a\n  X", "line 2"),
            ("/a\n  X y: z", "no name"),
            ("/a\n  Content-Length: 3", "by the edge itself"),
            ("/a\n  Basic-Auth: me:hush", "sent to everybody"),
            ("/a\n  X: \u{7f}", "visible"),
            ("a\n", "begins with /"),
        ];
        for (text, part) in rows {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{text:?}: {refused}");
        }
        assert!(parse(&"/a\n".repeat(MOST_RULES + 1)).is_err());
    }
}
