//! Sizes, spans of time, shares of processors and command lines, as Compose files have them.

use super::tree::{Node, Tree};
use crate::argv::Argv;
use crate::time::Millis;

/// `512m`, `1.5gb`, `300kb`, bytes where there is no unit. Units are of 1,024.
pub(super) fn bytes(node: &Node) -> Option<u64> {
    let text = node.text()?.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit.trim() {
        "" | "b" => 0_u32,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return None,
    };
    thousandths(number)?.checked_mul(1 << shift).map(|bytes| bytes / 1_000)
}

/// `0.5` of a processor, in thousandths.
pub(super) fn cpus(node: &Node) -> Option<u32> {
    u32::try_from(thousandths(node.text()?.trim())?).ok()
}

/// A decimal number in thousandths.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.is_empty() && part.is_empty() {
        return None;
    }
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1_000)?.checked_add(part.parse().ok()?)
}

/// `1m30s`, `500ms`, `2h`.
pub(super) fn span(node: &Node) -> Option<Millis> {
    let text = node.text()?;
    let mut rest = text.trim();
    let mut micros = 0_u64;
    if rest.is_empty() {
        return None;
    }
    if rest == "0" {
        return Some(Millis(0));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, left) = after.split_at_checked(letters)?;
        let unit = match unit {
            "us" | "µs" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000_u64,
            _ => return None,
        };
        let part = thousandths(number)?.checked_mul(unit)? / 1_000;
        micros = micros.checked_add(part)?;
        rest = left;
    }
    Some(Millis(micros / 1_000))
}

/// A small number.
pub(super) fn number<T: TryFrom<u64>>(node: &Node) -> Option<T> {
    T::try_from(node.text()?.trim().parse().ok()?).ok()
}

/// A command: a list of words, or a line that is split into words as a shell would, with no shell to
/// run it. None for nothing at all.
pub(super) fn argv(node: &Node) -> Result<Option<Argv>, String> {
    let words = match &node.value {
        Tree::List(items) => {
            let words: Option<Vec<String>> = items.iter().map(Node::text).collect();
            words.ok_or_else(|| "its words are texts".to_owned())?
        }
        Tree::Text(line) => shlex::split(line).ok_or_else(|| "a quote is not closed".to_owned())?,
        Tree::Null => return Ok(None),
        Tree::Bool(_) | Tree::Number(_) => vec![node.text().unwrap_or_default()],
        Tree::Map(_) => return Err("it is a line or a list of words".into()),
    };
    if words.iter().all(String::is_empty) {
        return Ok(None);
    }
    Argv::new(words).map(Some).map_err(|bad| bad.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node { line: 1, value: Tree::Text(text.into()) }
    }

    #[test]
    fn sizes_spans_and_shares_are_read() {
        for (given, expected) in [
            ("512m", Some(512 << 20)),
            ("1.5GB", Some(3 << 29)),
            ("64kb", Some(64 << 10)),
            ("1024", Some(1024)),
            ("10 MiB", Some(10 << 20)),
            ("1e9", None),
            ("", None),
            (".", None),
            ("-1m", None),
            ("99999999999999999999g", None),
        ] {
            assert_eq!(bytes(&text(given)), expected, "{given}");
        }
        for (given, expected) in [
            ("10s", Some(10_000)),
            ("1m30s", Some(90_000)),
            ("1.5s", Some(1_500)),
            ("500ms", Some(500)),
            ("2h", Some(7_200_000)),
            ("0", Some(0)),
            ("10", None),
            ("s", None),
            ("", None),
            ("1d", None),
        ] {
            assert_eq!(span(&text(given)).map(|span| span.0), expected, "{given}");
        }
        for (given, expected) in
            [("0.5", Some(500)), ("2", Some(2_000)), (".25", Some(250)), ("half", None)]
        {
            assert_eq!(cpus(&text(given)), expected, "{given}");
        }
    }

    #[test]
    fn commands_are_words() {
        let of = |given: &str| argv(&text(given)).map(|argv| argv.map(|a| a.words().to_vec()));
        assert_eq!(of("a 'b c' d\\ e").unwrap().unwrap(), ["a", "b c", "d e"]);
        assert_eq!(of("").unwrap(), None);
        assert!(of("a 'b").unwrap_err().contains("not closed"));
    }
}
