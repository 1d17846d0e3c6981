//! `include`: what other files have is in this one too. Two different things of one name are refused.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::Bad;
use super::super::notes::{bad, shown};
use super::super::service::resolve;
use super::super::tree::{Field, Node, Tree};
use super::super::variables;
use super::own::{Values, value};
use super::{Files, Origin, folder_of, merge, path};

/// How deep files may include one another.
const MOST_DEPTH: usize = 8;
/// What a file gives to the one that includes it.
const SECTIONS: [&str; 5] = ["services", "volumes", "networks", "secrets", "configs"];
/// A file of variables by that name stands for none.
const NO_FILE: &str = "/dev/null";

/// What is included.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: u64,
    /// The file, and others that go before it where they say something else.
    pub(super) paths: Vec<String>,
    /// The folder that paths in it count from, where not its own.
    pub(super) folder: Option<String>,
    /// Files of variables, where not the one of that folder.
    pub(super) env_files: Option<Vec<String>>,
}

/// What `include` says.
pub(super) fn entries(node: &Node) -> Result<Vec<Entry>, Bad> {
    let Some(items) = node.items() else {
        return if node.is_null() {
            Ok(Vec::new())
        } else {
            bad(node.line, "include: it is a list of files")
        };
    };
    items.iter().map(entry).collect()
}

fn entry(item: &Node) -> Result<Entry, Bad> {
    let line = item.line;
    let texts = |node: &Node| -> Vec<String> {
        match node.items() {
            Some(items) => items.iter().filter_map(Node::text).collect(),
            None => node.text().into_iter().collect(),
        }
    };
    let fields = item.fields().unwrap_or_default();
    let known = ["path", "project_directory", "env_file"];
    if let Some(other) = fields.iter().find(|field| !known.contains(&field.name.as_str())) {
        return bad(
            other.line,
            format!("include.{}: there are path, project_directory and env_file", other.name),
        );
    }
    let paths = texts(item.get("path").unwrap_or(item));
    if paths.is_empty() {
        return bad(line, "include: it is a file, or a map with path");
    }
    let folder = item.get("project_directory").and_then(Node::text);
    Ok(Entry { line, paths, folder, env_files: item.get("env_file").map(texts) })
}

impl Entry {
    /// The paths of its files, and the folder that paths in them count from.
    pub(super) fn files(&self, folder: &str) -> Result<(Vec<String>, String), Bad> {
        let all = self.paths.iter().map(|file| path("include", (file, self.line), folder));
        let all = all.collect::<Result<Vec<String>, Bad>>()?;
        let theirs = match &self.folder {
            Some(theirs) => match resolve(folder, theirs) {
                Ok(found) => found.unwrap_or_default(),
                Err(why) => return bad(self.line, format!("include.project_directory: {why}")),
            },
            None => all.first().map(|first| folder_of(first)).unwrap_or_default(),
        };
        Ok((all, theirs))
    }

    /// The paths of its files of variables, and whether they have to be there.
    pub(super) fn env_files(&self, folder: &str, theirs: &str) -> Result<(Vec<String>, bool), Bad> {
        match &self.env_files {
            Some(files) => {
                let files = files.iter().filter(|file| *file != NO_FILE);
                let key = "include.env_file";
                let all = files.map(|file| path(key, (file, self.line), folder));
                Ok((all.collect::<Result<_, Bad>>()?, true))
            }
            None if theirs.is_empty() => Ok((vec![".env".into()], false)),
            None => Ok((vec![format!("{theirs}/.env")], false)),
        }
    }
}

/// A file with what it includes.
pub(super) fn all(files: &mut Files<'_>, mut root: Node, origin: &Origin) -> Result<Node, Bad> {
    let Some(listed) = root.get("include") else { return Ok(root) };
    let entries = entries(listed)?;
    root = root.without("include");
    for entry in entries {
        if let Some(added) = one(files, &entry, origin)? {
            import(&mut root, added, entry.line, &files.values)?;
        }
    }
    Ok(root)
}

fn one(files: &mut Files<'_>, entry: &Entry, origin: &Origin) -> Result<Option<Node>, Bad> {
    let (paths, folder) = entry.files(&origin.folder)?;
    let variables = variables(files, entry, origin, &folder)?;
    // Those were read with other variables.
    let bases = std::mem::take(&mut files.bases);
    let mut whole: Option<Node> = None;
    for path in paths {
        if files.including.contains(&path) {
            let way = files.including.iter().chain([&path]).map(|path| shown(path));
            let way: Vec<String> = way.collect();
            return bad(
                entry.line,
                format!("files include one another in a circle: {}", way.join(" → ")),
            );
        }
        if files.including.len() >= MOST_DEPTH {
            return bad(entry.line, format!("files include one another deeper than {MOST_DEPTH}"));
        }
        let theirs = Origin {
            path: Some(path.clone()),
            folder: folder.clone(),
            variables: Rc::clone(&variables),
        };
        let tree = files.open("include", entry.line, &path, &theirs)?;
        files.including.push(path);
        let tree = files.whole(tree, &theirs)?;
        files.including.pop();
        whole = Some(match whole {
            None => tree,
            Some(before) => merge::files(before, tree),
        });
    }
    files.bases = bases;
    Ok(whole)
}

/// What variables stand for in a file that is included: what is given goes before what its own file of
/// variables says.
fn variables(
    files: &mut Files<'_>,
    entry: &Entry,
    origin: &Origin,
    folder: &str,
) -> Result<Rc<BTreeMap<String, String>>, Bad> {
    let (paths, required) = entry.env_files(&origin.folder, folder)?;
    let given = files.given;
    let mut found = BTreeMap::new();
    for path in paths {
        match given.files.get(&path) {
            Some(text) => match variables::file_within(text, &origin.variables, files.room) {
                Ok(values) => found.extend(values),
                Err(why) => return bad(entry.line, format!("include: {}: {why}", shown(&path))),
            },
            None if required => {
                let why = format!("include.env_file: there is no file {}", shown(&path));
                return bad(entry.line, why);
            }
            None => {}
        }
    }
    if found.is_empty() {
        return Ok(Rc::clone(&origin.variables));
    }
    found.extend(origin.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(Rc::new(found))
}

/// Takes over what a file has that was included in `line`.
fn import(root: &mut Node, added: Node, line: u64, values: &Values) -> Result<(), Bad> {
    let Tree::Map(fields) = added.value else { return Ok(()) };
    let Tree::Map(all) = &mut root.value else { return Ok(()) };
    let alike = |one: &Node, other: &Node| {
        one.unplaced() == other.unplaced() && value(values, one) == value(values, other)
    };
    for field in fields {
        let section = field.name.as_str();
        if !SECTIONS.contains(&section) {
            // What else is in it is its own, and what is no key at all is told of with the rest.
            if !["name", "version"].contains(&section) && !section.starts_with("x-") {
                all.push(field);
            }
            continue;
        }
        let Tree::Map(theirs) = field.node.value else { continue };
        let Some(own) = all.iter_mut().find(|own| own.name == field.name) else {
            let node = Node { line: field.node.line, value: Tree::Map(theirs) };
            all.push(Field { name: field.name, line: field.line, node });
            continue;
        };
        if own.node.is_null() {
            own.node.value = Tree::Map(Vec::new());
        }
        let Some(here) = own.node.fields_mut() else { continue };
        let known: BTreeMap<String, usize> =
            here.iter().enumerate().map(|(at, one)| (one.name.clone(), at)).collect();
        for one in theirs {
            let same = known.get(&one.name).and_then(|at| here.get(*at));
            match same.map(|same| alike(&same.node, &one.node)) {
                None => here.push(one),
                Some(true) => {}
                Some(false) => {
                    return bad(
                        line,
                        format!(
                            "include: {}.{} is in another file too and is something else there; give \
                             one of them another name",
                            field.name,
                            shown(&one.name)
                        ),
                    );
                }
            }
        }
    }
    Ok(())
}
