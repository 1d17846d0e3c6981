//! Links between the documents lead to files that are there, and to headings in them.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const REFERENCE: &str = "docs/reference";

fn inside(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

fn documents() -> Vec<PathBuf> {
    let single = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "benches/README.md"];
    let mut all: Vec<PathBuf> = single.iter().map(|name| Path::new(ROOT).join(name)).collect();
    all.extend(inside("docs/adr"));
    all.extend(inside(REFERENCE));
    all
}

/// What links lead to, but for those that lead to other sites.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let beginnings = text.split("](").skip(1);
    let links = beginnings.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    links.filter(|link| !link.contains("://") && !link.contains(char::is_whitespace))
}

/// How a heading is called in a link.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
    heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

fn has_heading(text: &str, wanted: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).any(|name| name == wanted)
}

#[test]
fn links_lead_to_what_is_there() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let (file, heading) = match link.split_once('#') {
                Some((file, heading)) => (file, Some(heading)),
                None => (link, None),
            };
            let target = match file {
                "" => document.clone(),
                file => document.parent().unwrap().join(file),
            };
            let there = match heading {
                Some(wanted) => {
                    std::fs::read_to_string(&target).is_ok_and(|text| has_heading(&text, wanted))
                }
                None => target.exists(),
            };
            if !there {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_readme_leads_to_all_of_the_reference() {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    for path in inside(REFERENCE) {
        let name = path.file_name().unwrap().to_string_lossy();
        let link = format!("{REFERENCE}/{name}");
        assert!(links(&readme).any(|to| to == link), "nothing in README.md leads to {link}");
    }
}
