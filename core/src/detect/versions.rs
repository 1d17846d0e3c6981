//! Which version of a language an app wants, and which base image has it.

use nodejs_semver::Range;

use super::images::{Images, Language, Line};
use crate::rejection::Rejection;

/// The longest wish that is looked at, in bytes.
const MOST_WISH_BYTES: usize = 200;

/// A version that somebody wants, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// As it stands there.
    pub(super) text: String,
    /// Such as `engines.node in package.json`.
    pub(super) written: &'static str,
}

impl Wish {
    pub(super) fn of(text: Option<&str>, written: &'static str) -> Option<Self> {
        let text = text.map(str::trim).filter(|text| !text.is_empty())?;
        Some(Self { text: text.to_owned(), written })
    }
}

/// Chooses a line of base images: the usual one where it will do, or else the newest that does.
/// Answers with it and the reason.
pub(super) fn choose(
    language: &'static Language,
    wish: Option<&Wish>,
) -> Result<(&'static Line, String), Rejection> {
    let name = language.name;
    let usual = language.usual();
    let Some(Wish { text, written }) = wish else {
        return Ok((usual, format!("{name} {}: nothing names a version", usual.line)));
    };
    let shown: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
    let ranges = ranges(text);
    let wrong = |what: &str| {
        let lines: Vec<&str> = language.lines.iter().map(|line| line.line).collect();
        Rejection::invalid(
            "version",
            format!(
                "{written} says \u{201c}{shown}\u{201d}, {what}; there are base images for {name} \
                 {}: change it, or add a Dockerfile",
                lines.join(", ")
            ),
        )
    };
    let Some(ranges) = ranges else {
        return Err(wrong("which is no version that Hythe can read"));
    };
    let fits = |line: &Line| {
        let own = Range::parse(line.line);
        own.is_ok_and(|own| ranges.iter().all(|range| range.allows_any(&own)))
    };
    let fitting = std::iter::once(usual).chain(language.lines).find(|line| fits(line));
    let line = fitting.ok_or_else(|| wrong("and no base image has that"))?;
    Ok((line, format!("{name} {}: {written} says \u{201c}{shown}\u{201d}", line.line)))
}

/// The same for an app whose own tools may take no version but the one that is named: where `just`
/// says so, and a version is named to the last number, the images are of that one.
pub(super) fn choose_just(
    language: &'static Language,
    wish: Option<&Wish>,
    just: bool,
) -> Result<(Images, String), Rejection> {
    let (line, why) = choose(language, wish)?;
    let named = wish.filter(|_| just).and_then(|wish| {
        let minors = !line.line.contains('.');
        exact(&wish.text).or_else(|| minor(&wish.text).filter(|_| minors))
    });
    Ok(match named {
        Some(version) => (line.only(&version), format!("{why}, and just that is taken")),
        None => (line.newest(), why),
    })
}

/// The version that a wish names to the last number: `3.3.0` of `ruby-3.3.0`, `= 3.3.0`, `==3.3.0`.
pub(super) fn exact(text: &str) -> Option<String> {
    let before = |c: char| c.is_ascii_alphabetic() || "-= ".contains(c);
    let text = text.trim().trim_start_matches(before);
    let parts: Vec<&str> = text.split('.').collect();
    (parts.len() == 3 && parts.iter().all(|part| is_number(part))).then(|| text.to_owned())
}

/// The first two numbers, where a wish leaves only the third open: `20.11` of `~20.11.0`, `20.11.x`.
fn minor(text: &str) -> Option<String> {
    let text = text.trim();
    let parts: Vec<&str> = text.trim_start_matches(['~', '=', 'v', ' ']).split('.').collect();
    match parts.as_slice() {
        [major, minor, rest @ ..] if is_number(major) && is_number(minor) => {
            let open = text.starts_with('~') || matches!(rest, [] | ["x" | "X" | "*"]);
            open.then(|| format!("{major}.{minor}"))
        }
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads a version or a range as Node, Python, Ruby, PHP and the others write them. All ranges must
/// be met; `None` where it is nothing of the kind.
fn ranges(text: &str) -> Option<Vec<Range>> {
    if text.len() > MOST_WISH_BYTES {
        return None;
    }
    let lower = text.trim().to_ascii_lowercase();
    let named = match lower.as_str() {
        "lts/*" | "lts" | "node" | "latest" | "stable" | "current" | "*" | "x" => Some("*"),
        "lts/fermium" => Some("14"),
        "lts/gallium" => Some("16"),
        "lts/hydrogen" => Some("18"),
        "lts/iron" => Some("20"),
        "lts/jod" => Some("22"),
        "lts/krypton" => Some("24"),
        _ => None,
    };
    if let Some(named) = named {
        return Range::parse(named).ok().map(|range| vec![range]);
    }
    // Alternatives are left to the parser; in between, a comma is an "and".
    let parts: Vec<&str> =
        if lower.contains("||") { vec![lower.as_str()] } else { lower.split(',').collect() };
    parts
        .into_iter()
        .map(str::trim)
        // What is left out decides nothing between lines.
        .filter(|part| !part.is_empty() && !part.starts_with("!="))
        .map(|part| Range::parse(plain(part)).ok())
        .collect::<Option<Vec<Range>>>()
        .filter(|ranges| !ranges.is_empty())
}

/// The same in the way of Node: `python-3.11.4`, `go1.22`, `~> 3.3`, `~=3.11`, `==3.11.*`,
/// `^8.1|^8.2`, `openjdk-21`, `1.18.2-otp-27`, `temurin-21.0.5+11.0.LTS`, `corretto-21.0.5.11.1`.
fn plain(part: &str) -> String {
    let part = part.strip_prefix("latest:").unwrap_or(part);
    let part = part.split("-otp-").next().unwrap_or(part);
    // What Java's builds are counted by, behind a `+` or behind the third number.
    let part = part.split('+').next().unwrap_or(part);
    let word = part.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-');
    let part = if word.starts_with(|c: char| c.is_ascii_digit()) { word } else { part };
    let numbers: Vec<&str> = part.split('.').collect();
    if let [major, minor, patch, _, ..] = numbers.as_slice()
        && numbers.iter().all(|number| is_number(number))
    {
        return format!("{major}.{minor}.{patch}");
    }
    if let Some(version) = part.strip_prefix("~>").or_else(|| part.strip_prefix("~=")) {
        let version = version.trim();
        // The last number may grow, whatever it is one of.
        let sign = if version.matches('.').count() >= 2 { '~' } else { '^' };
        return format!("{sign}{version}");
    }
    let part = part.strip_prefix("===").or_else(|| part.strip_prefix("==")).unwrap_or(part);
    if part.contains('|') && !part.contains("||") {
        return part.replace('|', " || ");
    }
    part.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::images;
    use super::*;

    fn chosen(language: &'static Language, wish: &str) -> Result<&'static str, String> {
        let wish = Wish::of(Some(wish), "a file");
        choose(language, wish.as_ref()).map(|(line, _)| line.line).map_err(|e| e.to_string())
    }

    #[test]
    fn a_version_that_is_named_to_the_last_number() {
        let rows: &[(&'static Language, &str, &str)] = &[
            (&images::RUBY, "3.3.0", "3.3.0"),
            (&images::RUBY, "ruby-3.2.2", "3.2.2"),
            (&images::RUBY, "= 3.3.0", "3.3.0"),
            (&images::RUBY, "~> 3.3.0", "3.3"),
            (&images::RUBY, ">= 3.1, < 3.4", "3.3"),
            (&images::PYTHON, "==3.11.4", "3.11.4"),
            (&images::PYTHON, "==3.11.*", "3.11"),
            (&images::PYTHON, "3.11", "3.11"),
            (&images::NODE, "v20.11.1", "20.11.1"),
            (&images::NODE, "~20.11.0", "20.11"),
            (&images::NODE, "20.11.x", "20.11"),
            (&images::NODE, "20.x", "20"),
            (&images::NODE, "^20.11.0", "20"),
            (&images::NODE, ">=20.11.1", "24"),
            (&images::NODE, "20", "20"),
        ];
        for (language, text, version) in rows {
            let wish = Wish::of(Some(text), "a file");
            let (just, _) = choose_just(language, wish.as_ref(), true).unwrap();
            assert_eq!(just.version, *version, "{} {text}", language.name);
            let (any, _) = choose_just(language, wish.as_ref(), false).unwrap();
            let line = language.lines.iter().any(|line| line.line == any.version);
            assert!(line, "{} {text}: {}", language.name, any.version);
        }
    }

    #[test]
    fn the_usual_line_or_else_the_newest_that_will_do() {
        let rows: &[(&'static Language, &str, &str)] = &[
            (&images::NODE, "", "24"),
            (&images::NODE, ">=18", "24"),
            (&images::NODE, "v20.11.1", "20"),
            (&images::NODE, "20.x", "20"),
            (&images::NODE, "18 || 20", "20"),
            (&images::NODE, ">=18 <21", "20"),
            (&images::NODE, "^18.12.0", "18"),
            (&images::NODE, "lts/*", "24"),
            (&images::NODE, "lts/iron", "20"),
            (&images::NODE, "20 - 22", "22"),
            (&images::PYTHON, "3.11", "3.11"),
            (&images::PYTHON, "python-3.11.4", "3.11"),
            (&images::PYTHON, ">=3.9,<3.12", "3.11"),
            (&images::PYTHON, ">=3.10,!=3.11.0", "3.13"),
            (&images::PYTHON, "==3.12.*", "3.12"),
            (&images::PYTHON, "~=3.10", "3.13"),
            (&images::PYTHON, "^3.12", "3.13"),
            (&images::RUBY, "~> 3.3.0", "3.3"),
            (&images::RUBY, "ruby-3.2.2", "3.2"),
            (&images::PHP, "^8.1|^8.2", "8.4"),
            (&images::PHP, "~8.2.0", "8.2"),
            (&images::PHP, "8.1.*", "8.1"),
            (&images::JAVA, "openjdk-17", "17"),
            (&images::JAVA, "temurin-17.0.13+11", "17"),
            (&images::JAVA, "corretto-17.0.13.11.1", "17"),
            (&images::RUBY, "latest:3.3", "3.3"),
            (&images::NODE, "lts/gallium", "16"),
            (&images::NODE, "14.x", "14"),
            (&images::PHP, "^7.4", "7.4"),
            (&images::RUBY, "2.7.8", "2.7"),
            (&images::ELIXIR, "1.17.3-otp-27", "1.17"),
            (&images::ELIXIR, "~> 1.14", "1.18"),
        ];
        for (language, wish, line) in rows {
            assert_eq!(chosen(language, wish).as_deref(), Ok(*line), "{} {wish}", language.name);
        }
        for wish in ["banana", "9", ">99", &"9".repeat(300), "20; rm -rf /", "\u{1b}[31m"] {
            let refusal = chosen(&images::NODE, wish).unwrap_err();
            assert!(refusal.contains("24, 22, 20") && !refusal.contains('\u{1b}'), "{refusal}");
        }
    }
}
