//! `captain-definition`, of CapRover.

use serde_json::Value;

use super::leaves::leaves;
use super::sheet::{Sheet, text_of};

pub(super) fn read(text: &str, sheet: &mut Sheet<'_>) -> Result<(), String> {
    let root: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for leaf in leaves(&root) {
        let (key, value) = (leaf.key.as_str(), leaf.value);
        match leaf.path.as_slice() {
            ["schemaVersion"] => {}
            ["dockerfilePath"] => {
                let path = text_of(value).unwrap_or_default();
                let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
                let path = Value::String(path);
                sheet.text(key, "Dockerfile", &path, |to| &mut to.build.dockerfile);
            }
            ["dockerfileLines"] => {
                sheet.left(key, "put these lines into a Dockerfile of the repository");
            }
            ["imageName"] => {
                sheet.left(key, "write a Dockerfile that begins FROM it and says nothing more");
            }
            ["templateId"] => {
                sheet.left(key, "what builds it is found by itself; see `hythe detect`");
            }
            [..] => sheet.left(key, "there is nothing here that it would set"),
        }
    }
    Ok(())
}
