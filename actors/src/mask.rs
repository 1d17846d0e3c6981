//! Keeps the values of secrets out of what is said: finds them in lines of text, also in the forms
//! that programs print them in, and puts a mask in their place.
//!
//! What somebody takes pains to hide (each letter on a line of its own) is found by nobody; this is
//! for what is printed by mistake, by debugging output and by errors.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use zeroize::Zeroizing;

/// What stands in the place of a value.
pub(crate) const MASK: &str = "[hidden]";
/// The fewest characters of an encoded form: fewer are in ordinary words.
const LEAST_ENCODED: usize = 8;
/// Columns after which programs break what they encode in base64.
const WRAPPED_AT: [usize; 2] = [76, 64];
/// The most bytes of all forms together. Beyond them encoded forms are left out, longest first.
const MOST_BYTES: usize = 1024 * 1024;
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Replaces the values of secrets in texts.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    finder: Option<AhoCorasick>,
    longest: usize,
    /// Nothing can be found: then nothing is shown.
    blind: bool,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let forms = self.finder.as_ref().map_or(0, AhoCorasick::patterns_len);
        write!(f, "Mask({forms} forms)")
    }
}

impl Mask {
    /// Of these values, each line of them that has at least `least` bytes.
    pub(crate) fn of<'a>(values: impl Iterator<Item = &'a str> + Clone, least: usize) -> Self {
        let mut forms: Vec<Zeroizing<String>> = values
            .clone()
            .flat_map(str::lines)
            .map(str::trim)
            .filter(|line| line.len() >= least.max(1))
            .map(|line| Zeroizing::new(line.to_owned()))
            .collect();
        let mut size: usize = forms.iter().map(|form| form.len()).sum();
        let mut by_length: Vec<&str> = values.filter(|value| value.len() >= least.max(1)).collect();
        by_length.sort_by_key(|value| value.len());
        for value in by_length {
            let more = encoded(value);
            size += more.iter().map(|form| form.len()).sum::<usize>();
            if size > MOST_BYTES {
                break;
            }
            forms.extend(more);
        }
        forms.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        forms.dedup();
        let longest = forms.iter().map(|form| form.len()).max().unwrap_or(0);
        let finder = AhoCorasick::builder()
            // The longest first: one may be a part of another.
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(forms.iter().map(|form| form.as_bytes()));
        match finder {
            Ok(finder) => Self { finder: (longest > 0).then_some(finder), longest, blind: false },
            Err(error) => {
                // More forms than it can number, which their bound keeps it from.
                tracing::error!(%error, "values cannot be looked for: whole lines are hidden");
                Self { finder: None, longest, blind: true }
            }
        }
    }

    /// The most bytes that one form has: as much of a text has to be seen beyond the point from
    /// which on it is not shown.
    pub(crate) const fn longest(&self) -> usize {
        self.longest
    }

    /// A text with a mask in place of each value, without what begins after `most` bytes of it.
    pub(crate) fn up_to(&self, text: &str, most: usize) -> String {
        if self.blind {
            return MASK.to_owned();
        }
        let mut end = most.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let Some(finder) = &self.finder else { return text.get(..end).unwrap_or_default().into() };
        let (mut shown, mut from) = (String::with_capacity(end), 0);
        for found in finder.find_iter(text) {
            if found.start() >= end {
                break;
            }
            shown.push_str(text.get(from..found.start()).unwrap_or_default());
            shown.push_str(MASK);
            from = found.end();
        }
        if from < end {
            shown.push_str(text.get(from..end).unwrap_or_default());
        }
        shown
    }

    /// A text with a mask in place of each value, without its first bytes: `unsure` of them.
    pub(crate) fn after(&self, text: &str, unsure: usize) -> String {
        if self.blind {
            return MASK.to_owned();
        }
        let mut from = unsure.min(text.len());
        while !text.is_char_boundary(from) {
            from += 1;
        }
        let mut shown = String::with_capacity(text.len() - from);
        for found in self.finder.iter().flat_map(|finder| finder.find_iter(text)) {
            if found.end() > from {
                shown.push_str(text.get(from..found.start()).unwrap_or_default());
                shown.push_str(MASK);
                from = found.end();
            }
        }
        shown.push_str(text.get(from..).unwrap_or_default());
        shown
    }

    /// A text with a mask in place of each value.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.up_to(text, text.len())
    }
}

/// A value as programs encode it.
fn encoded(value: &str) -> Vec<Zeroizing<String>> {
    let bytes = value.as_bytes();
    let hex = |upper: bool| -> String {
        let one = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        bytes.iter().map(one).collect()
    };
    let quoted = serde_json::to_string(value).unwrap_or_default();
    let mut forms = vec![
        hex(false),
        hex(true),
        url::form_urlencoded::byte_serialize(bytes).collect(),
        quoted.trim_matches('"').to_owned(),
    ];
    // A form that only says the value again is found as such, from the least length on.
    forms.retain(|form| form != value);
    for alphabet in [STANDARD, FOR_URLS] {
        forms.extend((0..3).map(|before| base64(bytes, before, alphabet)));
    }
    let first = base64(bytes, 0, STANDARD);
    for columns in WRAPPED_AT {
        if first.len() > columns {
            let lines = first.as_bytes().chunks(columns);
            forms.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
        }
    }
    forms.retain(|form| form.len() >= LEAST_ENCODED);
    forms.into_iter().map(Zeroizing::new).collect()
}

/// The characters of a base64 text that a value in it decides alone, where so many bytes (0 to 2)
/// of the first group lie before it.
fn base64(value: &[u8], before: usize, alphabet: &[u8; 64]) -> String {
    let bit = |at: usize| -> u8 {
        let byte = (at / 8).checked_sub(before).and_then(|at| value.get(at)).copied().unwrap_or(0);
        (byte >> (7 - at % 8)) & 1
    };
    let first = (before * 8).div_ceil(6);
    let last = (before + value.len()) * 8 / 6;
    (first..last)
        .map(|at| {
            let sextet = (0..6).fold(0_u8, |sextet, n| (sextet << 1) | bit(at * 6 + n));
            char::from(alphabet[usize::from(sextet)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    const SECRET: &str = "s3cr3t/väl\"ue+?>~";

    fn mask() -> Mask {
        Mask::of([SECRET].into_iter(), 4)
    }

    #[test]
    fn a_value_is_found_in_the_forms_that_programs_print() {
        let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-=!".repeat(3);
        let two_lines = "first line of it\nthe second one";
        let mask = Mask::of([SECRET, long.as_str(), two_lines].into_iter(), 4);
        let encode = |text: &str| STANDARD.encode(text);
        let mut lines = vec![
            format!("a {SECRET} b{SECRET}"),
            format!("{SECRET:?}").replace("\\u{e4}", "ä"),
            "the second one".to_owned(),
            encode(two_lines),
            "s3cr3t%2Fv%C3%A4l%22ue%2B%3F%3E%7E".to_owned(),
            SECRET.bytes().map(|byte| format!("{byte:02x}")).collect(),
        ];
        for before in ["", "a", "ab", "user:", "x y z "] {
            for after in ["", "\n", "@host"] {
                let whole = format!("{before}{SECRET}{after}");
                lines.push(encode(&whole));
                lines.push(URL_SAFE_NO_PAD.encode(whole));
            }
        }
        let wrapped = encode(&long);
        for columns in [64, 76] {
            let pieces = wrapped.as_bytes().chunks(columns);
            lines.extend(pieces.map(|piece| String::from_utf8(piece.to_vec()).unwrap()));
        }
        for line in lines {
            let shown = mask.mask(&line);
            assert!(shown.contains(MASK), "{line:?}");
            assert!(line.len() - shown.replace(MASK, "").len() >= 6, "{line:?} {shown:?}");
        }
    }

    #[test]
    fn what_is_no_value_stays() {
        for text in ["", "an ordinary line", "s3cr3t", "dmFs"] {
            assert_eq!(mask().mask(text), text);
            assert_eq!(Mask::default().mask(text), text);
        }
        let short = Mask::of(["ab", ""].into_iter(), 4);
        assert_eq!(short.mask("ab abab"), "ab abab");
    }

    #[test]
    fn nothing_of_a_value_shows_where_a_text_is_cut_within_it() {
        let text = format!("0123456789{SECRET}rest");
        for most in 0..=text.len() {
            let shown = mask().up_to(&text, most);
            let expected = match most {
                0..=10 => &text[..most],
                _ => return assert!(shown.starts_with("0123456789[hidden]"), "{shown}"),
            };
            assert_eq!(shown, expected);
        }
    }
}
