//! Patterns by which a workspace says which folders are its own.

/// Whether a folder is one of a pattern: `apps/*`, `packages/**`, `web`.
pub(super) fn fits(pattern: &str, folder: &str) -> bool {
    let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
    let (mut parts, mut there) = (pattern.split('/'), folder.split('/'));
    loop {
        match (parts.next(), there.next()) {
            (Some("**"), _) => return true,
            (Some(part), Some(name)) if fits_name(part, name) => {}
            (None, None) => return true,
            (_, _) => return false,
        }
    }
}

/// Whether a name is what a pattern says, with at most one `*` in it.
fn fits_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_part_where_a_pattern_says_so() {
        for (pattern, folder, is_one) in [
            ("apps/*", "apps/web", true),
            ("./apps/*/", "apps/web", true),
            ("apps/*", "apps/web/inner", false),
            ("apps/*", "apps", false),
            ("packages/**", "packages/a/b", true),
            ("**", "a/b", true),
            ("web", "web", true),
            ("apps/web-*", "apps/web-shop", true),
            ("apps/web-*", "apps/api", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, folder), is_one, "{pattern} {folder}");
        }
    }
}
