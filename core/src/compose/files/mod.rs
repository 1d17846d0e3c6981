//! Several files as one: what services extend, and what a file includes.
//!
//! Pure: the texts are those that were handed in, and [`wanted`] says which. Each file is read with what
//! its variables stand for, and its paths are written anew so that they count from the folder of the file
//! that was given; then services are put together by the rules of the Compose specification ([`merge`]).
//! How many files there are, how deep they lie and what all of it comes to is bounded.

mod anchor;
mod extends;
mod include;
mod merge;
pub(super) mod own;
pub(super) mod wanted;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use super::lines::Lines;
use super::notes::{Notes, bad, shown};
use super::service::resolve;
use super::tree::Node;
use super::variables::Room;
use super::{Bad, Given, fill, in_clear_text, read_tree};
use crate::limits;

use self::own::Values;

/// Which file something stands in, and what counts there.
#[derive(Clone, Debug)]
struct Origin {
    /// Its path from the root of the source; none for the file that was given.
    path: Option<String>,
    /// The folder that its paths count from.
    folder: String,
    /// What its variables stand for.
    variables: Rc<BTreeMap<String, String>>,
}

/// Files while they are put together.
#[derive(Debug)]
struct Files<'a> {
    given: &'a Given,
    room: &'a mut Room,
    notes: &'a mut Notes,
    lines: &'a mut Lines,
    /// Files that services are extended from, by path.
    bases: BTreeMap<String, (Rc<Node>, Origin)>,
    /// The files that are being included, each by the one before.
    including: Vec<String>,
    /// What secrets and configs are made from.
    values: Values,
    opened: usize,
}

/// Reads a file with all that belongs to it, and what its secrets and configs are made from.
pub(super) fn read(
    text: &str,
    given: &Given,
    room: &mut Room,
    notes: &mut Notes,
    lines: &mut Lines,
) -> Result<(Node, Values), Bad> {
    let variables = Rc::new(given.variables.clone());
    let origin = Origin { path: None, folder: given.folder.clone(), variables };
    let (bases, including, values) = (BTreeMap::new(), Vec::new(), Values::new());
    let mut files = Files { given, room, notes, lines, bases, including, values, opened: 0 };
    let root = files.parse(text, &origin)?;
    let root = files.whole(root, &origin)?;
    Ok((root, files.values))
}

impl Files<'_> {
    fn parse(&mut self, text: &str, origin: &Origin) -> Result<Node, Bad> {
        let mut root = read_tree(text)?;
        let before = self.lines.begin(origin.path.as_deref(), text);
        root.each_line(&mut |line| *line += before);
        if (origin.path.is_some() || is_put_together(&root))
            && let Some((line, tag)) = tag(text)
        {
            let why = format!(
                "the tag {tag} is not taken, and without it what the other file says would stay; write \
                 the service out, without extends and include"
            );
            return bad(before + line, why);
        }
        in_clear_text(&root, &origin.variables, self.room, self.notes);
        fill(&mut root, &origin.variables, self.room, self.notes)?;
        if origin.path.is_some() {
            own::bare(&mut root, &origin.variables, self.room)?;
        }
        own::declared(&root, &origin.variables, self.room, &mut self.values)?;
        Ok(root)
    }

    /// Another file, for `key` in `line`.
    fn open(&mut self, key: &str, line: u64, path: &str, origin: &Origin) -> Result<Node, Bad> {
        let most = limits::MOST_COMPOSE_FILES;
        self.opened += 1;
        if self.opened > most {
            return bad(line, format!("{key}: more than {most} files would be read together"));
        }
        let given = self.given;
        let Some(text) = given.files.get(path) else {
            return bad(line, format!("{key}: there is no file {}", shown(path)));
        };
        let read = self.parse(text, origin).map_err(|bad| match bad.line {
            Some(_) => bad,
            None => {
                let why = format!("{key}: {}: {}", shown(path), bad.why);
                Bad { line: Some(line), why }
            }
        });
        let mut root = read?;
        let room = self.room.take(root.bytes());
        room.map_err(|why| Bad { line: Some(line), why: format!("{key}: {why}") })?;
        anchor::paths(&mut root, &origin.folder, &given.folder)?;
        Ok(root)
    }

    /// A file with what its services extend and what it includes.
    fn whole(&mut self, root: Node, origin: &Origin) -> Result<Node, Bad> {
        let root = extends::all(self, root, origin)?;
        include::all(self, root, origin)
    }

    /// A file that services are extended from.
    fn base(
        &mut self,
        key: &str,
        (file, line): (&str, u64),
        origin: &Origin,
    ) -> Result<(Rc<Node>, Origin), Bad> {
        let path = path(key, (file, line), &origin.folder)?;
        if let Some(known) = self.bases.get(&path) {
            return Ok(known.clone());
        }
        let variables = Rc::clone(&origin.variables);
        let theirs = Origin { path: Some(path.clone()), folder: folder_of(&path), variables };
        let root = Rc::new(self.open(key, line, &path, &theirs)?);
        self.bases.insert(path, (Rc::clone(&root), theirs.clone()));
        Ok((root, theirs))
    }
}

/// A file's path from the root of the source.
fn path(key: &str, (file, line): (&str, u64), folder: &str) -> Result<String, Bad> {
    match resolve(folder, file) {
        Ok(Some(path)) => Ok(path),
        Ok(None) => bad(line, format!("{key}: {} is a folder", shown(file))),
        Err(why) => bad(line, format!("{key}: {why}")),
    }
}

/// The folder that a file is in; empty for the root.
fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// Whether other values go into this file's than its own.
fn is_put_together(root: &Node) -> bool {
    let services = root.get("services").and_then(Node::fields).unwrap_or_default();
    root.get("include").is_some() || services.iter().any(|one| one.node.get("extends").is_some())
}

/// A tag that says how a value is put together with another, and its line. What is read of a document has
/// no tags any more.
fn tag(text: &str) -> Option<(u64, &'static str)> {
    (1..).zip(text.lines()).find_map(|(line, words)| {
        let tag = |word: &str| ["!reset", "!override"].into_iter().find(|tag| *tag == word);
        let apart = |c: char| c.is_whitespace() || "[]{},:".contains(c);
        Some((line, without_comment(words).split(apart).find_map(tag)?))
    })
}

/// A line without its comment. A `#` within quotes begins none: where it is not sure that it does, the line
/// stays whole, and a tag in it is rather seen than missed.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    let (mut single, mut double) = (false, false);
    for (at, c) in line.char_indices() {
        match c {
            '#' if before.is_whitespace() && !single && !double => {
                return line.get(..at).unwrap_or(line);
            }
            '\'' => single = !single,
            '"' => double = !double,
            _ => {}
        }
        before = c;
    }
    line
}
