//! Prints the OpenAPI document, for whatever generates types from it: no server is needed.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(&hythe_gateway::api::openapi())?;
    writeln!(std::io::stdout().lock(), "{text}")
}
