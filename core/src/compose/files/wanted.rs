//! What a file refers to outside of itself, as far as the files are there that say it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::environment::env_files;
use super::super::folders;
use super::super::notes::shown;
use super::super::service::resolve;
use super::super::tree::Node;
use super::super::variables::{self, Filling, Room};
use super::super::volumes::Bind;
use super::super::{Bad, Given, PROFILES, few, few_files, pairs, read_tree};
use super::extends::Extends;
use super::{Origin, folder_of, include, path};
use crate::limits;

/// Where it is declared what services are given as files.
const SECTIONS: [&str; 2] = ["secrets", "configs"];

/// What a file refers to outside of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Variables that it names.
    pub variables: BTreeSet<String>,
    /// Files of variables and other Compose files, by their path from the root of the source.
    pub files: BTreeSet<String>,
    /// What services mount from there. What lies at each ([`super::super::Mounted`]) is to be handed in, and says
    /// which texts are wanted of it.
    pub binds: BTreeSet<String>,
    /// Texts that services mount. Whoever has them hands in those that are short; the others are told of.
    pub texts: BTreeSet<String>,
}

/// What has to be handed in with a file. A file that was handed in may name others: whoever reads them
/// asks again, until nothing new is named.
///
/// # Errors
/// It cannot be read, or names too much.
pub fn wanted(text: &str, given: &Given) -> Result<Wanted, Bad> {
    few(given)?;
    let most = limits::MOST_COMPOSE_FILES;
    let variables = Rc::new(given.variables.clone());
    let first = Origin { path: None, folder: given.folder.clone(), variables };
    let mut looking = Looking {
        given,
        room: Room::default(),
        found: Wanted::default(),
        open: vec![first],
        seen: BTreeSet::new(),
        listed: BTreeSet::new(),
        declared: Vec::new(),
    };
    while let Some(origin) = looking.open.pop() {
        let path = origin.path.clone();
        let text = match &path {
            None => text,
            Some(path) => {
                looking.found.files.insert(path.clone());
                let Some(text) = given.files.get(path) else { continue };
                text.as_str()
            }
        };
        looking.file(text, &origin).map_err(|bad| match path {
            None => bad,
            Some(path) => Bad { line: None, why: format!("in {}: {bad}", shown(&path)) },
        })?;
        few_files(looking.found.files.len(), most)?;
    }
    let found = looking.found();
    few_files(found.files.len(), most)?;
    Ok(found)
}

/// Something that services may be given as a file.
#[derive(Debug)]
struct Declared {
    section: &'static str,
    name: String,
    variable: Option<String>,
    path: Option<String>,
}

#[derive(Debug)]
struct Looking<'a> {
    given: &'a Given,
    room: Room,
    found: Wanted,
    /// Files that are still to be looked at.
    open: Vec<Origin>,
    /// Those that were, by their path and the folder that their paths count from.
    seen: BTreeSet<(String, String)>,
    /// What services are given as files, by its section and name.
    listed: BTreeSet<(&'static str, String)>,
    declared: Vec<Declared>,
}

impl Looking<'_> {
    fn file(&mut self, text: &str, origin: &Origin) -> Result<(), Bad> {
        let mut root = read_tree(text)?;
        // Variables without a value are named all the same: what is wrong with one is said later.
        let mut filling = Filling::new(&origin.variables, &mut self.room);
        root.each_text(&mut |text, _line| {
            if let Ok(filled) = filling.fill(text) {
                *text = filled;
            }
        });
        self.found.variables.append(&mut filling.named);
        for service in root.get("services").and_then(Node::fields).unwrap_or_default() {
            self.service(&service.node, origin)?;
        }
        for section in SECTIONS {
            for declared in root.get(section).and_then(Node::fields).unwrap_or_default() {
                let text = |name: &str| declared.node.get(name).and_then(Node::text);
                let path = text("file").and_then(|file| resolve(&origin.folder, &file).ok());
                self.declared.push(Declared {
                    section,
                    name: declared.name.clone(),
                    variable: text("environment"),
                    path: path.flatten(),
                });
            }
        }
        // What is wrong with it is said later, with its line.
        let included = root.get("include").and_then(|node| include::entries(node).ok());
        for entry in included.unwrap_or_default() {
            self.include(&entry, origin)?;
        }
        Ok(())
    }

    /// All that is wanted. What is declared and given to no service is nobody's: whoever has the folder need
    /// not have it, and nothing of it goes to the server.
    fn found(self) -> Wanted {
        let mut found = self.found;
        for Declared { section, name, variable, path } in self.declared {
            if self.listed.contains(&(section, name)) {
                found.variables.extend(variable);
                found.files.extend(path);
            }
        }
        found
    }

    fn service(&mut self, service: &Node, origin: &Origin) -> Result<(), Bad> {
        if service.get("profiles").is_some() {
            self.found.variables.insert(PROFILES.to_owned());
        }
        for section in SECTIONS {
            let items = service.get(section).and_then(Node::items).unwrap_or_default();
            let name = |item: &Node| item.text().or_else(|| item.get("source")?.text());
            self.listed.extend(items.iter().filter_map(name).map(|name| (section, name)));
        }
        let args = service.get("build").and_then(|build| build.get("args"));
        for named in service.get("environment").into_iter().chain(args) {
            let bare = pairs(named).unwrap_or_default().into_iter();
            let bare = bare.filter_map(|(name, value, _)| value.is_none().then_some(name));
            self.found.variables.extend(bare);
        }
        if let Some(files) = service.get("env_file") {
            let files = env_files(files).into_iter();
            let paths = files.filter_map(|file| resolve(&origin.folder, &file.path).ok());
            self.found.files.extend(paths.flatten());
        }
        let volumes = service.get("volumes").and_then(Node::items).unwrap_or_default();
        for bind in volumes.iter().filter_map(Bind::of).filter(Bind::is_relative) {
            let Ok(Some(path)) = resolve(&origin.folder, &bind.source) else { continue };
            let room = limits::MOST_COMPOSE_TEXTS.saturating_sub(self.found.texts.len());
            if room > 0 {
                let texts = folders::wanted(&bind, &path, service, self.given).into_iter();
                self.found.texts.extend(texts.take(room));
            }
            if self.found.binds.len() < limits::MOST_COMPOSE_MOUNTS {
                self.found.binds.insert(path);
            }
        }
        let extends = service.get("extends").and_then(|node| Extends::of("extends", node).ok());
        if let Some(file) = extends.and_then(|extends| extends.file)
            && let Ok(path) = path("extends", (&file, service.line), &origin.folder)
        {
            let folder = folder_of(&path);
            let variables = Rc::clone(&origin.variables);
            return self.follow(Origin { path: Some(path), folder, variables });
        }
        Ok(())
    }

    fn include(&mut self, entry: &include::Entry, origin: &Origin) -> Result<(), Bad> {
        let Ok((paths, folder)) = entry.files(&origin.folder) else { return Ok(()) };
        let Ok((own, _)) = entry.env_files(&origin.folder, &folder) else { return Ok(()) };
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for path in own {
            let text = self.given.files.get(&path);
            let read = text.map(|text| {
                variables::file_within(text, &origin.variables, &mut self.room).unwrap_or_default()
            });
            values.extend(read.into_iter().flatten());
            self.found.files.insert(path);
        }
        values.extend(origin.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        let variables = Rc::new(values);
        for path in paths {
            let (folder, variables) = (folder.clone(), Rc::clone(&variables));
            self.follow(Origin { path: Some(path), folder, variables })?;
        }
        Ok(())
    }

    /// Another file is to be looked at. Those that lead to one another end here.
    fn follow(&mut self, origin: Origin) -> Result<(), Bad> {
        let path = origin.path.clone().unwrap_or_default();
        if !self.seen.insert((path, origin.folder.clone())) {
            return Ok(());
        }
        let most = limits::MOST_COMPOSE_FILES;
        if self.seen.len() > most {
            let why = format!("more than {most} files would be read together with it");
            return Err(Bad { line: None, why });
        }
        self.open.push(origin);
        Ok(())
    }
}
