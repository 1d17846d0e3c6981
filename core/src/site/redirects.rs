//! `_redirects`, as Netlify and Cloudflare Pages read it: `from to [status][!]`, one in a line.
//!
//! What they know and this does not (conditions on query, country or cookie) is refused with its line: a
//! rule that is passed over would send people elsewhere than its author meant.

use serde::{Deserialize, Serialize};

use super::manifest::BadSite;
use super::pattern::{Gaps, Pattern, is_name};

/// The file.
pub(super) const FILE: &str = "_redirects";
/// The most rules for one path each, and the most with gaps: Cloudflare's bounds.
const MOST_FIXED: usize = 2_000;
/// See [`MOST_FIXED`].
const MOST_DYNAMIC: usize = 100;
/// The most characters of a line: Cloudflare's bound.
const MOST_LINE: usize = 1_000;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// Which paths.
    pub from: Pattern,
    /// A path of the site, or an address elsewhere; with gaps as `:name`.
    pub to: String,
    /// 301, 302, 303, 307 and 308 send on; 200 answers with another file, and 404 does so with that status.
    pub status: u16,
    /// Whether it goes before a file of that name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

impl Redirect {
    /// Whether it sends on.
    #[must_use]
    pub const fn sends_on(&self) -> bool {
        self.status >= 300 && self.status < 400
    }

    /// Where it leads with these gaps filled. What is filled in is escaped: it can become no more than a part
    /// of a path, or one value in a query.
    pub(super) fn target(&self, gaps: &Gaps<'_>) -> String {
        let mut filled = String::with_capacity(self.to.len());
        let mut rest = self.to.as_str();
        while let Some((before, after)) = rest.split_once(':') {
            filled.push_str(before);
            let end =
                after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let (name, behind) = after.split_at(end);
            match gaps.iter().find(|(known, _)| *known == name) {
                Some((_, value)) if filled.contains('?') => escape(value, b"-._~", &mut filled),
                Some((_, value)) => escape_into(value, &mut filled),
                None => {
                    filled.push(':');
                    filled.push_str(name);
                }
            }
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }
}

/// Escapes what could mean anything but itself in a path, `/` aside.
pub(super) fn escape_into(text: &str, into: &mut String) {
    escape(text, b"-._~/!$&'()*+,;=:@", into);
}

/// Escapes all but letters, digits and these.
fn escape(text: &str, plain: &[u8], into: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// Reads the file.
///
/// # Errors
/// The first line that cannot be used, and what would be right.
pub fn parse(text: &str) -> Result<Vec<Redirect>, BadSite> {
    let mut rules = Vec::new();
    let (mut fixed, mut dynamic) = (0, 0);
    for (at, line) in text.lines().enumerate() {
        let wrong = |why: String| BadSite::Line { file: FILE, line: at + 1, why };
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.chars().count() > MOST_LINE {
            return Err(wrong(format!("it has more than {MOST_LINE} characters")));
        }
        let rule = rule(line).map_err(wrong)?;
        if rule.from.is_fixed() {
            fixed += 1;
        } else {
            dynamic += 1;
        }
        if fixed > MOST_FIXED || dynamic > MOST_DYNAMIC {
            return Err(wrong(format!(
                "there are at most {MOST_FIXED} rules, and {MOST_DYNAMIC} with * or placeholders"
            )));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn rule(line: &str) -> Result<Redirect, String> {
    let mut words = line.split_whitespace();
    let (Some(from), Some(to)) = (words.next(), words.next()) else {
        return Err("a rule is `from to [status]`, such as `/old /new 301`".into());
    };
    let status = words.next();
    if words.next().is_some() || (to.contains('=') && !to.starts_with(['/', 'h'])) {
        return Err("conditions on query, country, language or cookie are not known here".into());
    }
    let from: Pattern = from.parse().map_err(|why| format!("{from} {why}"))?;
    let (number, force) = match status {
        None => ("301", false),
        Some(status) => status.strip_suffix('!').map_or((status, false), |number| (number, true)),
    };
    let status = match number {
        "200" => 200,
        "301" => 301,
        "302" => 302,
        "303" => 303,
        "307" => 307,
        "308" => 308,
        "404" => 404,
        other => {
            return Err(format!(
                "{other} is no status; there are 200, 301, 302, 303, 307, 308 and 404"
            ));
        }
    };
    let elsewhere = to.starts_with("https://") || to.starts_with("http://");
    if !to.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("where it leads is written with escapes (%C3%A4 for ä)".into());
    }
    let path = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\');
    if !elsewhere && !path {
        return Err(format!("{to} is no path and no http(s) address"));
    }
    if elsewhere && !(300..400).contains(&status) {
        return Err(
            "another address is only sent on to (301, 302, 303, 307, 308), not fetched from".into(),
        );
    }
    let names: Vec<&str> = from.names().collect();
    let unknown = gaps_of(to).into_iter().find(|name| !names.contains(name));
    if let Some(name) = unknown {
        return Err(format!("there is no :{name} in {from}"));
    }
    Ok(Redirect { from, to: to.to_owned(), status, force })
}

/// The placeholders in a target. A colon of an address, as before a port, begins none.
fn gaps_of(to: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in to.match_indices(['/', '=']) {
        let part = to.get(at + 1..).unwrap_or_default();
        let part = part.split('/').next().unwrap_or_default();
        if let Some(name) = part.strip_prefix(':') {
            let end =
                name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            names.extend(name.get(..end).filter(|name| is_name(name)));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_elsewhere() {
        let text = "# moved\n/old /new\n/blog/* /news/:splat 302\n/app/* /index.html 200\n\n/x https://a.example:8080/y 308! # it is gone\n/gone /404.html 404\n";
        let rules = parse(text).unwrap();
        let shown: Vec<_> = rules
            .iter()
            .map(|rule| (rule.from.to_string(), rule.to.as_str(), rule.status, rule.force))
            .collect();
        assert_eq!(
            shown,
            [
                ("/old".to_owned(), "/new", 301, false),
                ("/blog/*".to_owned(), "/news/:splat", 302, false),
                ("/app/*".to_owned(), "/index.html", 200, false),
                ("/x".to_owned(), "https://a.example:8080/y", 308, true),
                ("/gone".to_owned(), "/404.html", 404, false),
            ]
        );
        let gaps = rules[1].from.fits("blog/ä/b").unwrap();
        assert_eq!(rules[1].target(&gaps), "/news/%C3%A4/b");
        assert_eq!(rules[3].target(&Vec::new()), "https://a.example:8080/y");
    }

    #[test]
    fn what_is_filled_in_leads_to_no_other_host() {
        let rules = parse("/go/* /:splat 301").unwrap();
        let gaps = rules[0].from.fits("go/\\evil.example").unwrap();
        assert_eq!(rules[0].target(&gaps), "/%5Cevil.example");
    }

    #[test]
    fn what_is_filled_into_a_query_is_one_value() {
        let rules = parse("/user/:id/* /view?id=:id&rest=:splat").unwrap();
        let gaps = rules[0].from.fits("user/7&admin=1/a/b c").unwrap();
        assert_eq!(rules[0].target(&gaps), "/view?id=7%26admin%3D1&rest=a%2Fb%20c");
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_line() {
        let rows = [
            ("/a", "from to"),
            ("\n/a b", "line 2"),
            ("a /b", "begins with /"),
            ("/a /b 999", "no status"),
            ("/a id=:id /b 301", "conditions"),
            ("/a /b 302 Country=de", "conditions"),
            ("/a //evil.example", "no path"),
            ("/a https://b.example/ 200", "only sent on to"),
            ("/a /b/:c", "no :c"),
            ("/a /b?x=:c", "no :c"),
        ];
        for (text, part) in rows {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{text}: {refused}");
        }
        let many = |line: &str, count: usize| line.repeat(count);
        assert!(parse(&many("/a /b\n", MOST_FIXED)).is_ok());
        assert!(parse(&many("/a /b\n", MOST_FIXED + 1)).is_err());
        assert!(parse(&many("/a/* /b\n", MOST_DYNAMIC + 1)).is_err());
        assert!(parse(&format!("/{} /b", "a".repeat(MOST_LINE))).is_err());
    }
}
