//! `.dockerignore`, as Docker reads it.
//!
//! It looks like `.gitignore` and is not: every pattern counts from the root, `*` and `?` do not
//! cross a `/`, `**` does, a pattern that matches a folder takes in all below it, the last pattern
//! that matches wins, and `!` brings back even what lies in a folder that was left out. So this is
//! its own small matcher rather than one made for git.

/// The most patterns that are read; beyond them the file is refused.
const MOST_PATTERNS: usize = 2_000;

/// The patterns of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// Whether it brings files back.
    back: bool,
    /// Its parts between slashes.
    parts: Vec<Vec<char>>,
}

impl Ignore {
    /// Reads the text of a file; `Err` says which line is wrong.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Self::of(text.trim_start_matches('\u{feff}').lines().filter(|line| !line.starts_with('#')))
    }

    /// Takes patterns one by one.
    pub(crate) fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for line in lines {
            if patterns.len() == MOST_PATTERNS {
                return Err(format!("it has more than {MOST_PATTERNS} patterns"));
            }
            patterns.extend(Pattern::read(line)?);
        }
        Ok(Self { patterns })
    }

    /// Whether a path is left out. `path` is relative, without `.` and `..`.
    pub(crate) fn leaves_out(&self, path: &str) -> bool {
        let parts: Vec<Vec<char>> = path.split('/').map(|part| part.chars().collect()).collect();
        let last = self.patterns.iter().rev().find(|pattern| pattern.takes_in(&parts));
        last.is_some_and(|pattern| !pattern.back)
    }

    /// Whether nothing below a folder that is left out can come back.
    pub(crate) fn is_final(&self) -> bool {
        !self.patterns.iter().any(|pattern| pattern.back)
    }
}

impl Pattern {
    /// Reads one line; `None` where it says nothing.
    fn read(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        let (back, text) = match line.strip_prefix('!') {
            Some(rest) => (true, rest.trim()),
            None => (false, line),
        };
        if back && text.is_empty() {
            return Err("a line is only \"!\"".to_owned());
        }
        let mut parts: Vec<Vec<char>> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                // As a path would: a/../b is b, and nothing lies above the root.
                ".." => drop(parts.pop()),
                part => parts.push(part.chars().collect()),
            }
        }
        if let Some(bad) = parts.iter().find(|part| !well_formed(part)) {
            return Err(format!(
                "the pattern {:?} is not complete",
                bad.iter().collect::<String>()
            ));
        }
        Ok(if parts.is_empty() { None } else { Some(Self { back, parts }) })
    }

    /// Whether it matches a path or a folder above it.
    fn takes_in(&self, path: &[Vec<char>]) -> bool {
        (1..=path.len()).any(|depth| path.get(..depth).is_some_and(|path| parts(&self.parts, path)))
    }
}

/// Whether patterns of parts match all parts of a path.
fn parts(pattern: &[Vec<char>], path: &[Vec<char>]) -> bool {
    // What was matched up to each part of the path: as much work as both are long, however many
    // `**` there are.
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let any_depth = wanted.as_slice() == ['*', '*'];
        let mut next = vec![false; path.len() + 1];
        for from in 0..=path.len() {
            if !reached[from] {
                continue;
            }
            if any_depth {
                next[from..].fill(true);
                break;
            }
            if path.get(from).is_some_and(|part| name(wanted, part)) {
                next[from + 1] = true;
            }
        }
        reached = next;
    }
    reached[path.len()]
}

/// Whether a pattern without slashes matches a name.
fn name(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut place) = (0, 0);
    // Where the last star was, and what it has swallowed so far: to go back to.
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        let step = match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
                continue;
            }
            Some(_) => one(&pattern[at..], name[place]),
            None => None,
        };
        match (step, star) {
            (Some(length), _) => {
                at += length;
                place += 1;
            }
            (None, Some((star_at, swallowed))) => {
                star = Some((star_at, swallowed + 1));
                at = star_at + 1;
                place = swallowed + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// Whether the beginning of a pattern matches one character; answers with its length.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match *pattern {
        ['?', ..] => Some(1),
        ['\\', literal, ..] if literal == c => Some(2),
        ['[', ..] => class(pattern, c),
        [literal, ..] if literal == c && c != '\\' => Some(1),
        [..] => None,
    }
}

/// Whether a character is in the class that a pattern begins with.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let mut at = 1;
    let negated = pattern.get(1) == Some(&'^');
    if negated {
        at += 1;
    }
    let first = at;
    let mut inside = false;
    loop {
        let low = match *pattern.get(at)? {
            ']' if at > first => break,
            '\\' => {
                at += 1;
                *pattern.get(at)?
            }
            low => low,
        };
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&'-') && pattern.get(at + 1).is_some_and(|c| *c != ']') {
            at += 1;
            if pattern.get(at) == Some(&'\\') {
                at += 1;
            }
            high = *pattern.get(at)?;
            at += 1;
        }
        inside |= (low..=high).contains(&c);
    }
    (inside != negated).then_some(at + 1)
}

/// Whether all its brackets are closed and nothing follows its last backslash in vain.
fn well_formed(pattern: &[char]) -> bool {
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        match c {
            '\\' if at + 1 == pattern.len() => return false,
            '\\' => at += 2,
            '[' => {
                let close = pattern[at + 1..].iter().skip(1).position(|c| *c == ']');
                match close {
                    Some(close) => at += close + 3,
                    None => return false,
                }
            }
            _ => at += 1,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_docker() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("node_modules", &["node_modules", "node_modules/a/b"], &["a/node_modules", "node"]),
            ("**/node_modules", &["node_modules", "a/node_modules/b", "a/b/node_modules"], &["x"]),
            ("*.log", &["a.log"], &["a/b.log", "a.logs"]),
            ("**/*.log", &["a.log", "a/b/c.log"], &["a.log.txt"]),
            ("*/temp*", &["a/temp", "a/temporary.txt"], &["temp", "a/b/temp"]),
            ("temp?", &["tempa"], &["temp", "tempab"]),
            ("/abs", &["abs", "abs/x"], &["a/abs"]),
            ("./a/../b/", &["b", "b/c"], &["a"]),
            ("a/**/z", &["a/z", "a/b/c/z"], &["az", "a/b/c"]),
            ("a/**", &["a/b", "a/b/c"], &["b"]),
            ("**", &["a", "a/b"], &[]),
            ("*\n!keep.txt", &["a", "a/keep.txt"], &["keep.txt"]),
            ("docs\n!docs/README.md", &["docs/a", "docs"], &["docs/README.md"]),
            ("*.md\n!README*.md\nREADME-secret.md", &["a.md", "README-secret.md"], &["README.md"]),
            ("[a-c]x\n[^d]y", &["ax", "cx", "ay"], &["dx", "dy"]),
            ("\\[a\\]", &["[a]"], &["a"]),
            ("# a comment\n\n  spaced  \n#x", &["spaced"], &["#x", "# a comment"]),
            ("\u{feff}first", &["first"], &[]),
            ("é*", &["école"], &["ecole"]),
        ];
        for (text, out, kept) in rows {
            let ignore = Ignore::read(text).unwrap();
            for path in *out {
                assert!(ignore.leaves_out(path), "{text:?} should leave out {path}");
            }
            for path in *kept {
                assert!(!ignore.leaves_out(path), "{text:?} should keep {path}");
            }
        }
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for text in ["!", "[a", "a\\"] {
            assert!(Ignore::read(text).is_err(), "{text:?}");
        }
        assert!(Ignore::read(&"a\n".repeat(MOST_PATTERNS + 1)).is_err());
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_they_are_long() {
        let text = format!("{}b", "*a".repeat(200));
        let ignore = Ignore::read(&text).unwrap();
        assert!(!ignore.leaves_out(&"a".repeat(2_000)));
        let ignore = Ignore::read(&"**/".repeat(200)).unwrap();
        assert!(ignore.leaves_out("a/".repeat(200).trim_end_matches('/')));
    }
}
