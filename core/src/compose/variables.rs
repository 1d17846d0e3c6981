//! `${VARIABLES}` in a Compose file, and the files that variables of services come from.

use std::collections::{BTreeMap, BTreeSet};

/// The most characters of a default in which braces of its own are looked for.
const MOST_BRACED: usize = 2_048;
/// How deep a default may lie within another.
const MOST_DEPTH: usize = 8;
/// How large a text may become.
const MOST_BYTES: usize = 256 * 1024;
/// How large all texts of a file may become together.
pub(super) const MOST_IN_ALL: usize = 8 << 20;

/// How many bytes all that a file comes to may still have: one value stands in many places.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST_IN_ALL)
    }
}

impl Room {
    /// Takes so many bytes of it.
    ///
    /// # Errors
    /// There are not so many left.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            format!(
                "with its variables filled in, and its files of variables, all of it is larger than {} MiB; \
                 divide it, or give large values to fewer services",
                MOST_IN_ALL >> 20
            )
        })?;
        Ok(())
    }
}

/// The variables that texts were filled in from, and what was noticed.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    pub(super) values: &'a BTreeMap<String, String>,
    room: &'a mut Room,
    /// Whose given values are in what was filled in.
    pub(super) used: BTreeSet<String>,
    /// Named without a default, and not given.
    pub(super) missing: BTreeSet<String>,
    /// All that are named.
    pub(super) named: BTreeSet<String>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(values: &'a BTreeMap<String, String>, room: &'a mut Room) -> Self {
        let none = BTreeSet::new;
        Self { values, room, used: none(), missing: none(), named: none() }
    }

    /// A text with its variables filled in.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn fill(&mut self, text: &str) -> Result<String, String> {
        let filled = self.fill_at(text, 0)?;
        self.room.take(filled.len())?;
        Ok(filled)
    }

    fn fill_at(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MOST_DEPTH {
            return Err(format!("defaults lie deeper than {MOST_DEPTH} within one another"));
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            filled.push_str(before);
            let after = after.get(1..).unwrap_or_default();
            if let Some(left) = after.strip_prefix('$') {
                filled.push('$');
                rest = left;
            } else if let Some(inner) = after.strip_prefix('{') {
                let end = closing(inner)
                    .ok_or_else(|| "a \"${\" has no \"}\"; a plain \"$\" is \"$$\"".to_owned())?;
                let (within, left) = inner.split_at(end);
                filled.push_str(&self.one(within, depth)?);
                rest = left.get(1..).unwrap_or_default();
            } else {
                let length = name_length(after);
                let (name, left) = after.split_at(length);
                // Before anything else it is a plain one, as Compose has it: "$(date)", "$1".
                let value = if name.is_empty() { "$".to_owned() } else { self.value(name) };
                filled.push_str(&value);
                rest = left;
            }
            if filled.len() > MOST_BYTES {
                return Err("with its variables filled in it is larger than 256 KiB".into());
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What stands between the braces.
    fn one(&mut self, within: &str, depth: usize) -> Result<String, String> {
        let (name, rest) = within.split_at(name_length(within));
        if name.is_empty() {
            return Err(format!("\"${{{within}}}\" names no variable"));
        }
        self.named.insert(name.to_owned());
        let given = self.values.get(name).cloned();
        let full = given.clone().filter(|value| !value.is_empty());
        let stands = |filling: &mut Self, value: String| {
            filling.used.insert(name.to_owned());
            Ok(value)
        };
        let (operator, word) = match rest.as_bytes() {
            [] => return Ok(self.value(name)),
            [b':', ..] => rest.split_at(rest.len().min(2)),
            [_, ..] if rest.is_char_boundary(1) => rest.split_at(1),
            [_, ..] => ("", rest),
        };
        match operator {
            ":-" => match full {
                Some(value) => stands(self, value),
                None => self.fill_at(word, depth + 1),
            },
            "-" => match given {
                Some(value) => stands(self, value),
                None => self.fill_at(word, depth + 1),
            },
            ":+" => full.map_or(Ok(String::new()), |_| self.fill_at(word, depth + 1)),
            "+" => given.map_or(Ok(String::new()), |_| self.fill_at(word, depth + 1)),
            ":?" => full.ok_or_else(|| required(name, word)).and_then(|value| stands(self, value)),
            "?" => given.ok_or_else(|| required(name, word)).and_then(|value| stands(self, value)),
            _ => Err(format!(
                "\"${{{within}}}\" is not understood; there are ${{A}}, ${{A:-default}}, ${{A-default}}, \
                 ${{A:?why}}, ${{A?why}}, ${{A:+instead}} and ${{A+instead}}"
            )),
        }
    }

    fn value(&mut self, name: &str) -> String {
        self.named.insert(name.to_owned());
        match self.values.get(name) {
            Some(value) => {
                self.used.insert(name.to_owned());
                value.clone()
            }
            None => {
                self.missing.insert(name.to_owned());
                String::new()
            }
        }
    }
}

fn required(name: &str, word: &str) -> String {
    let why = if word.is_empty() { String::new() } else { format!(": {word}") };
    format!("the variable {name} has to be given{why}; say it by --env {name}=… or in .env")
}

/// Where the brace that was opened before is closed. Others within a default belong to it where each is closed,
/// as in `${A:-http://host/{id}}`.
fn closing(inner: &str) -> Option<usize> {
    let near = closed(inner.char_indices().take(MOST_BRACED), |_| true);
    near.or_else(|| closed(inner.char_indices(), |before| before == '$'))
}

/// The same, where only those count that `opens` says, by what stands before them.
fn closed(
    chars: impl Iterator<Item = (usize, char)>,
    opens: impl Fn(char) -> bool,
) -> Option<usize> {
    let mut open = 0_usize;
    let mut before = ' ';
    for (at, c) in chars {
        match c {
            '{' if opens(before) => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        before = c;
    }
    None
}

fn name_length(text: &str) -> usize {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first {
        return 0;
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    end.unwrap_or(text.len())
}

/// A file of variables, as `env_file` and `.env` are: `NAME=value` lines, comments, quotes. A name
/// without a value takes the one that is given, where there is one.
///
/// # Errors
/// What is wrong, and in which line.
pub fn file(
    text: &str,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    file_within(text, given, &mut Room::default())
}

/// The same, with so much room for it.
pub(super) fn file_within(
    text: &str,
    given: &BTreeMap<String, String>,
    room: &mut Room,
) -> Result<BTreeMap<String, String>, String> {
    room.take(text.len())?;
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    // What stands before counts before what is given.
    let mut known = given.clone();
    let (mut rest, mut next) = (text, 1);
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let n = next;
        (rest, next) = (after, n + 1);
        let at = |why: String| format!("line {n}: {why}");
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let Some((name, value)) = line.split_once('=') else {
            if name_length(line) != line.len() {
                return Err(at("it is no NAME=value".into()));
            }
            if let Some(value) = given.get(line) {
                found.insert(line.to_owned(), value.clone());
            }
            continue;
        };
        let name = name.trim_end();
        if !is_name(name) {
            return Err(at("it is no NAME=value".into()));
        }
        let value = value.trim();
        let read = match goes_on(value, rest) {
            Some(more) => {
                let (within, after) = rest.split_at_checked(more).unwrap_or((rest, ""));
                next += within.matches('\n').count() + 1;
                rest = after.split_once('\n').map_or("", |(_, rest)| rest);
                of_line(&format!("{value}\n{}", within.replace('\r', "")), &known, room)
            }
            None => of_line(value, &known, room),
        };
        let value = read.map_err(at)?;
        known.insert(name.to_owned(), value.clone());
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// The same of a file whose values are what stands there.
pub(super) fn raw_within(
    text: &str,
    given: &BTreeMap<String, String>,
    room: &mut Room,
) -> Result<BTreeMap<String, String>, String> {
    room.take(text.len())?;
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if is_name(name) => {
                found.insert(name.to_owned(), value.to_owned());
            }
            None if is_name(line) => {
                found.extend(given.get(line).map(|value| (line.to_owned(), value.clone())));
            }
            Some(_) | None => return Err(format!("line {}: it is no NAME=value", n + 1)),
        }
    }
    Ok(found)
}

/// Whether it may be a name there: more than a shell can have, for programs that have more.
fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name_length(text) > 0 && text.chars().all(rest)
}

/// How much of what follows belongs to a value whose quote is closed in a later line, as that of a key may be;
/// none where it is closed in its own, or never.
fn goes_on(value: &str, rest: &str) -> Option<usize> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    match closed_at(value.get(1..)?, quote) {
        Some(_) => None,
        None => closed_at(rest, quote),
    }
}

/// Where a text is after its first such quote.
fn closed_at(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| match c {
        _ if std::mem::take(&mut escaped) => None,
        '\\' if quote == '"' => {
            escaped = true;
            None
        }
        c if c == quote => Some(at + 1),
        _ => None,
    })
}

fn of_line(
    value: &str,
    known: &BTreeMap<String, String>,
    room: &mut Room,
) -> Result<String, String> {
    if let Some(inner) = value.strip_prefix('\'') {
        let end = inner.find('\'').ok_or("a quote is not closed")?;
        return Ok(inner.get(..end).unwrap_or_default().to_owned());
    }
    if let Some(inner) = value.strip_prefix('"') {
        let mut plain = String::new();
        let mut escaped = false;
        for c in inner.chars() {
            if std::mem::take(&mut escaped) {
                match c {
                    'n' => plain.push('\n'),
                    'r' => plain.push('\r'),
                    't' => plain.push('\t'),
                    '$' => plain.push_str("$$"),
                    c => plain.push(c),
                }
                continue;
            }
            match c {
                '\\' => escaped = true,
                '"' => return Filling::new(known, room).fill(&plain),
                c => plain.push(c),
            }
        }
        return Err("a quote is not closed".into());
    }
    let end = value.find(" #").unwrap_or(value.len());
    let value = value.get(..end).unwrap_or_default().trim_end();
    Filling::new(known, room).fill(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> BTreeMap<String, String> {
        [("TAG", "1.2"), ("EMPTY", ""), ("B", "b")].map(|(n, v)| (n.into(), v.into())).into()
    }

    #[test]
    fn variables_are_filled_in() {
        let given = given();
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("a:$TAG-x", Ok("a:1.2-x")),
            ("${TAG}", Ok("1.2")),
            ("$$TAG", Ok("$TAG")),
            ("$${TAG}", Ok("${TAG}")),
            ("${NONE}", Ok("")),
            ("${NONE:-d}", Ok("d")),
            ("${NONE-d}", Ok("d")),
            ("${EMPTY:-d}", Ok("d")),
            ("${EMPTY-d}", Ok("")),
            ("${TAG:-d}", Ok("1.2")),
            ("${NONE:-${B}-${OTHER:-c}}", Ok("b-c")),
            ("${NONE:-{}}", Ok("{}")),
            ("${TAG:-{}}", Ok("1.2")),
            ("${NONE:-http://a/{id}}/b", Ok("http://a/{id}/b")),
            ("${TAG:-http://a/{id}}/b", Ok("1.2/b")),
            ("${TAG:-{\"a\": {\"b\": \"${B}\"}}}", Ok("1.2")),
            ("${NONE:-{}-$TAG", Ok("{-1.2")),
            ("${TAG:+yes}", Ok("yes")),
            ("${EMPTY:+yes}", Ok("")),
            ("${EMPTY+yes}", Ok("yes")),
            ("${NONE+yes}", Ok("")),
            ("${TAG:?needed}", Ok("1.2")),
            ("${NONE:?say it}", Err("NONE has to be given: say it")),
            ("${EMPTY?}", Ok("")),
            ("${NONE", Err("no \"}\"")),
            ("100$", Ok("100$")),
            ("$(id -u) $1 $- $TAG$", Ok("$(id -u) $1 $- 1.2$")),
            ("${1}", Err("names no variable")),
            ("${TAG/x/y}", Err("is not understood")),
            ("${TAGé}", Err("is not understood")),
        ] {
            let filled = Filling::new(&given, &mut Room::default()).fill(text);
            match (&filled, expected) {
                (Ok(filled), Ok(expected)) => assert_eq!(filled, expected, "{text}"),
                (Err(why), Err(words)) => assert!(why.contains(words), "{text}: {why}"),
                (_, _) => panic!("{text}: {filled:?}"),
            }
        }
        let mut room = Room::default();
        let mut filling = Filling::new(&given, &mut room);
        filling.fill("$A ${B} ${C:-c} ${TAG:+x}").unwrap();
        assert_eq!(filling.missing, BTreeSet::from(["A".to_owned()]));
        assert_eq!(filling.used, BTreeSet::from(["B".to_owned()]), "TAG's own value is not there");
        assert_eq!(filling.named.len(), 4);
        let deep = format!("{}x{}", "${N:-".repeat(20), "}".repeat(20));
        assert!(Filling::new(&given, &mut Room::default()).fill(&deep).is_err());
    }

    #[test]
    fn files_of_variables_are_read() {
        let text = "# a comment\n\nA=1\nexport B = two words # not this\nC='$A raw'\nD=\"x\\n$A\"\n\
                    E=\nTAG\nNONE\nF=${A}-${TAG:-no}\nG=a#b\nH.i-j=2\n";
        let read = file(text, &given()).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$A raw"),
            ("D", "x\n1"),
            ("E", ""),
            ("TAG", "1.2"),
            ("F", "1-1.2"),
            ("G", "a#b"),
            ("H.i-j", "2"),
        ];
        assert_eq!(read, expected.map(|(n, v)| (n.into(), v.into())).into());
        let text =
            "A=\"-----BEGIN-----\nab\\\"c\n-----END-----\" # not this\r\nB='x\r\n\"y\"'\nC=1";
        let read = file(text, &given()).unwrap();
        let expected =
            [("A", "-----BEGIN-----\nab\"c\n-----END-----"), ("B", "x\n\"y\""), ("C", "1")];
        assert_eq!(read, expected.map(|(n, v)| (n.into(), v.into())).into());
        let raw = raw_within("# x\n A=\"$B\" # y\nTAG\nNONE\n", &given(), &mut Room::default());
        let expected = [("A", "\"$B\" # y"), ("TAG", "1.2")];
        assert_eq!(raw.unwrap(), expected.map(|(n, v)| (n.into(), v.into())).into());
        assert!(raw_within("a b=1", &given(), &mut Room::default()).is_err());
        for (text, words) in [
            ("A=\"1\n2\"\nB='\n'\nwhat is this", "line 5"),
            ("A=1\nwhat is this", "line 2"),
            ("=1", "line 1"),
            ("A='open", "not closed"),
            ("A=\"open", "not closed"),
            ("A=${B", "no \"}\""),
        ] {
            let why = file(text, &given()).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
