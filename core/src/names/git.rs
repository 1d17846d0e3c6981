//! What git takes for a repository, a reference and a path.

use super::shown;

pub(super) fn repository(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 2048 {
        return Err(format!("has 1 to 2048 characters; got {}", shown(text)));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("has visible ASCII characters only; got {}", shown(text)));
    }
    if text.contains(['\\', '"', '\'', '`', '<', '>', '|', '^', '{', '}']) {
        return Err(format!("has no quotes, brackets or backslashes; got {}", shown(text)));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return scp_like(text);
    };
    match scheme {
        "https" | "http" | "ssh" => authority(scheme, rest),
        "file" => {
            if rest.starts_with('/') && !rest.split('/').any(|part| part == "..") {
                Ok(())
            } else {
                Err(format!(
                    "has an absolute path without \"..\" after file://; got {}",
                    shown(text)
                ))
            }
        }
        _ => Err(format!("begins with https://, http:// or ssh://; got {}", shown(text))),
    }
}

fn authority(scheme: &str, rest: &str) -> Result<(), String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains(':') || scheme != "ssh") {
        return Err("carries no user or password: they would be kept in the history. \
                    Give the repository's token apart from the URL"
            .into());
    }
    if user.is_some_and(|user| user.is_empty() || user.starts_with('-')) {
        return Err(format!("has no user name beginning with a dash; got {}", shown(authority)));
    }
    let name = host.split(':').next().unwrap_or_default();
    if !host.starts_with('[') && (name.is_empty() || name.starts_with(['-', '.'])) {
        return Err(format!("names a host after {scheme}://; got {}", shown(rest)));
    }
    if path.is_empty() {
        return Err("has a path after the host".into());
    }
    Ok(())
}

fn scp_like(text: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "is https://…, ssh://… or user@host:path; got {}. For a folder on this machine, push it \
             to a git server or use file:// with --local-repos DIR",
            shown(text)
        )
    };
    let (account, path) = text.split_once(':').ok_or_else(wrong)?;
    let (user, host) = account.split_once('@').ok_or_else(wrong)?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    if plain(user) && plain(host) && !path.is_empty() && !path.starts_with('-') {
        Ok(())
    } else {
        Err(wrong())
    }
}

pub(super) fn reference(text: &str, what: &str) -> Result<(), String> {
    let refused = text.is_empty()
        || text.len() > 200
        || text.starts_with(['-', '/', '.'])
        || text.ends_with(['/', '.'])
        || text.contains("..")
        || text.contains("//")
        || text.contains("/.")
        || text.contains("@{")
        || text == "@"
        || text
            .split('/')
            .any(|part| std::path::Path::new(part).extension().is_some_and(|end| end == "lock"))
        || text
            .chars()
            .any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'));
    if refused {
        Err(format!(
            "is a name that git allows for {what}, of at most 200 characters; got {}",
            shown(text)
        ))
    } else {
        Ok(())
    }
}

pub(super) fn repository_path(text: &str) -> Result<(), String> {
    let parts_fine = text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    let plain = !text.chars().any(char::is_control) && !text.contains('\\');
    if parts_fine && plain && text.len() <= 255 && !text.starts_with('-') {
        Ok(())
    } else {
        Err(format!(
            "is relative, such as docker/Dockerfile, without \"..\", and has at most 255 characters; \
             got {}",
            shown(text)
        ))
    }
}
