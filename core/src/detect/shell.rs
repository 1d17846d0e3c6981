//! Apps that are a script for a shell, and nothing that anything else is known by.

use super::images;
use super::recipe::Recipe;
use super::repo::Repo;
use super::words::Start;
use crate::rejection::Rejection;

/// Where such a script lies.
const SCRIPT: &str = "start.sh";

/// Finds one; `None` where there is nothing of the kind.
pub(super) fn find(repo: &Repo<'_>) -> Result<Option<Recipe>, Rejection> {
    let pages = repo.first(&["index.html", "public/index.html", "dist/index.html"]);
    if !repo.has(SCRIPT) || pages.is_some() || repo.has("package.json") {
        return Ok(None);
    }
    let mut recipe = Recipe::new("shell", images::DEBIAN, images::DEBIAN);
    recipe.because(format!("{SCRIPT} is there, and nothing else that is known"));
    recipe.packages(&[], &["ca-certificates", "curl"]);
    recipe.start = Some(Start::words(&["bash", SCRIPT]));
    Ok(Some(recipe))
}
