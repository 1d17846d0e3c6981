//! `Procfile`: its `web` line is what is started.

use super::Overrides;
use crate::detect::repo::Repo;
use crate::rejection::Rejection;

const FILE: &str = "Procfile";

pub(super) fn read(repo: &Repo<'_>, said: &mut Overrides) -> Result<(), Rejection> {
    let Some(text) = repo.text(FILE)? else { return Ok(()) };
    let mut others = Vec::new();
    for line in text.lines() {
        let Some((kind, command)) = line.split_once(':') else { continue };
        match kind.trim() {
            "web" => said.start(command, FILE, "web")?,
            "" => {}
            kind if kind.starts_with('#') => {}
            kind => others.push(kind.chars().filter(|c| !c.is_control()).take(40).collect()),
        }
    }
    if !others.is_empty() {
        others.truncate(8);
        let others: Vec<String> = others;
        let others = others.join(", ");
        said.reasons.push(format!(
            "of Procfile a build takes web only; what {others} says is given to an app by \
             `hythe import --app APP`"
        ));
    }
    Ok(())
}
