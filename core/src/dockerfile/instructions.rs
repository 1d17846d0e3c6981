//! The instructions of a Dockerfile: which lines belong together.

/// In what versions of BuildKit differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Whether here-documents are known.
    pub(super) heredocs: bool,
    /// Whether a line goes on in the next one although the escape character at its end is itself
    /// escaped.
    pub(super) joins_escaped: bool,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// The line that it begins at, from 1.
    pub(super) line: usize,
    /// Its name, in capitals; of `ONBUILD`, that of what it is about.
    pub(super) keyword: String,
    /// What follows, in one line.
    pub(super) rest: String,
}

/// The frontend that a Dockerfile names for itself.
#[must_use]
pub fn frontend(text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}');
    // Some read one from JSON, and no Dockerfile begins so.
    let first = text.trim_start().lines().next().unwrap_or_default();
    if first.starts_with('{') {
        return Some(first.trim_end().to_owned());
    }
    directive(text, "syntax")
}

/// What escapes a line's end, and a character.
pub(super) fn escape(text: &str) -> char {
    let named = directive(text.trim_start_matches('\u{feff}'), "escape");
    if named.as_deref() == Some("`") { '`' } else { '\\' }
}

/// What the comments say that a Dockerfile begins with.
fn directive(text: &str, wanted: &str) -> Option<String> {
    let lines =
        text.lines().enumerate().skip_while(|(at, line)| *at == 0 && line.starts_with("#!"));
    for (_, line) in lines {
        let line = line.trim();
        let said = line.strip_prefix('#').or_else(|| line.strip_prefix("//"))?;
        let (name, value) = said.split_once('=')?;
        let name = name.trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return None;
        }
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
    }
    None
}

/// Reads all instructions.
pub(super) fn read(text: &str, reading: Reading) -> Vec<Instruction> {
    let text = text.trim_start_matches('\u{feff}');
    let escape = escape(text);
    let is_said = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    let mut lines = text.lines().enumerate();
    let mut found = Vec::new();
    while let Some((at, first)) = lines.next() {
        if !is_said(first) {
            continue;
        }
        let mut joined = String::new();
        let mut piece = first.trim_start();
        while let Some(begin) = goes_on(piece, escape, reading.joins_escaped) {
            joined.push_str(begin);
            piece = lines.by_ref().map(|(_, line)| line).find(|line| is_said(line)).unwrap_or("");
        }
        joined.push_str(piece);
        let instruction = instruction(at + 1, &joined);
        if reading.heredocs && matches!(instruction.keyword.as_str(), "RUN" | "COPY" | "ADD") {
            for (tabs, end) in heredocs(&instruction.rest) {
                let is_end =
                    |line: &str| end == if tabs { line.trim_start_matches('\t') } else { line };
                let _body = lines.by_ref().find(|(_, line)| is_end(line));
            }
        }
        found.push(instruction);
    }
    found
}

/// A line without the escape character that has it go on in the next one.
fn goes_on(line: &str, escape: char, joins_escaped: bool) -> Option<&str> {
    let begin = line.trim_end_matches([' ', '\t', '\r']).strip_suffix(escape)?;
    (joins_escaped || !begin.ends_with(escape)).then_some(begin)
}

fn instruction(line: usize, text: &str) -> Instruction {
    let cut = |text: &str| {
        let text = text.trim();
        let (keyword, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (keyword.to_ascii_uppercase(), rest.trim().to_owned())
    };
    let (mut keyword, mut rest) = cut(text);
    while keyword == "ONBUILD" {
        (keyword, rest) = cut(&rest);
    }
    Instruction { line, keyword, rest }
}

/// The ends of the here-documents that an instruction begins, each with whether tabs before it count
/// for nothing.
fn heredocs(rest: &str) -> Vec<(bool, String)> {
    let begin = |word: &str| {
        let after = word.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix("<<")?;
        let (tabs, name) = after.strip_prefix('-').map_or((false, after), |name| (true, name));
        let name = name.replace(['"', '\''], "");
        (!name.is_empty() && !name.contains('<')).then_some((tabs, name))
    };
    // Nothing begins within quotes.
    let (mut quote, mut escaped) = (None, false);
    let between = |c: char| {
        let was = std::mem::replace(&mut escaped, false);
        escaped = c == '\\' && !was && quote != Some('\'');
        match quote {
            None if !was && matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if !was && c == open => quote = None,
            Some(_) | None => {}
        }
        quote.is_none() && !was && c.is_whitespace()
    };
    rest.split(between).filter_map(begin).collect()
}
