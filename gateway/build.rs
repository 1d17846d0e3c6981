//! Has the gateway compiled again when the web page that it embeds was built again: files that
//! are new since the last time are not noticed otherwise.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let page = Path::new("../web/dist");
    // A folder that is missing would have the gateway compiled again every time.
    if !page.exists() && Path::new("../web").exists() {
        std::fs::create_dir(page)?;
    }
    if page.exists() {
        println!("cargo::rerun-if-changed=../web/dist");
    }
    println!("cargo::rerun-if-changed=build.rs");
    Ok(())
}
