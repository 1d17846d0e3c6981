//! What names an image of a registry, as `docker pull` takes it.
//!
//! The engine asks the registry, with whatever the engine's machine reaches: loopback and private
//! networks, too, where registries of one's own are. What no registry is are the addresses of a
//! machine's own link, where clouds answer with credentials: those are refused.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::installation::RegistryHost;
use crate::names::{BadText, CommitId, bad, shown, text};

/// The most characters of a name without tag and digest, as registries have it.
const MOST_NAME: usize = 255;
/// Hosts at which clouds tell machines about themselves.
const METADATA: [&str; 2] = ["metadata.google.internal", "metadata"];

text!(
    /// An image of a registry: `[REGISTRY/]NAME[:TAG][@sha256:DIGEST]`. Of Docker Hub where it names
    /// no registry, and `latest` where it has no tag.
    ImageRef, "an image", check
);

impl ImageRef {
    /// Name, tag, and the digits of the digest.
    fn parts(&self) -> (&str, Option<&str>, Option<&str>) {
        split(self.as_str())
    }

    /// The registry that has it.
    #[must_use]
    pub fn registry(&self) -> Option<RegistryHost> {
        RegistryHost::of_image(self.as_str())
    }

    /// The digest that it is fixed to, where it is: as the version that something is made of, which
    /// has the form of a commit's id.
    #[must_use]
    pub fn digest(&self) -> Option<CommitId> {
        self.parts().2.and_then(|digits| CommitId::new(digits).ok())
    }

    /// The same image, fixed to what its tag meant once.
    #[must_use]
    pub fn pinned(&self, version: &CommitId) -> Self {
        let (name, tag, _) = self.parts();
        let tag = tag.map_or(String::new(), |tag| format!(":{tag}"));
        Self(format!("{name}{tag}@sha256:{version}"))
    }

    /// By name and digest alone: what a Dockerfile begins with.
    #[must_use]
    pub fn exactly(&self, version: &CommitId) -> String {
        format!("{}@sha256:{version}", self.parts().0)
    }
}

fn split(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let (rest, digest) = match text.split_once("@sha256:") {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // The colon of a port has a slash after it.
    match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag), digest),
        Some(_) | None => (rest, None, digest),
    }
}

fn check(text: &str) -> Result<(), String> {
    let (name, tag, digest) = split(text);
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let digest_fine = digest.is_none_or(|d| d.len() == 64 && d.bytes().all(hex));
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let tag_fine = tag.is_none_or(|tag| {
        tag.len() <= 128
            && tag.bytes().next().is_some_and(word)
            && tag.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
    });
    let (host, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        Some(_) | None => (None, name),
    };
    let host_fine = host.is_none_or(|host| RegistryHost::new(host).is_ok());
    let path_fine = name.len() <= MOST_NAME && path.split('/').all(component);
    if !(digest_fine && tag_fine && host_fine && path_fine) {
        return Err(format!(
            "is [REGISTRY/]NAME[:TAG][@sha256:DIGEST], its name in lower case, such as nginx:1.29 or \
             ghcr.io/team/shop:1.2; got {}",
            shown(text)
        ));
    }
    if host.is_some_and(of_the_link) {
        return Err(format!(
            "comes from a registry, and no registry is at an address of the machine's own link or \
             where a cloud tells about machines; got {}",
            shown(text)
        ));
    }
    Ok(())
}

/// One part of a path: letters and digits, with `.`, `_`, `__` or dashes between them.
fn component(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(plain) && part.bytes().last().is_some_and(plain);
    let between = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let mut between = between.filter(|run| !run.is_empty());
    ends && between
        .all(|run| matches!(run, "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

fn of_the_link(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        Some(_) | None => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_link_local() || address.is_unspecified(),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(mapped) => mapped.is_link_local() || mapped.is_unspecified(),
            None => {
                // AWS answers at fd00:ec2::254.
                address.is_unicast_link_local()
                    || address.is_unspecified()
                    || address.segments()[..2] == [0xfd00, 0x0ec2]
            }
        },
        Err(_) => METADATA.contains(&bare),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_take_is_taken_and_nothing_else() {
        let digest = "0".repeat(64);
        let pinned = format!("ghcr.io/team/shop:1.2@sha256:{digest}");
        let by_digest = format!("nginx@sha256:{digest}");
        let good = [
            "nginx",
            "nginx:1.29-alpine",
            "library/nginx",
            "ghcr.io/team/shop:1.2",
            "localhost/a",
            "127.0.0.1:5000/team/base:1",
            "10.0.0.5:5000/a__b/c--d.e_f",
            "[::1]:5000/a",
            &pinned,
            &by_digest,
        ];
        for text in good {
            assert!(ImageRef::new(text).is_ok(), "{text}");
        }
        let (long, short) =
            (format!("a{}", "b".repeat(300)), format!("a@sha256:{}", "0".repeat(63)));
        let bad = [
            "",
            "-v",
            "--privileged",
            "Nginx",
            "a b",
            "a\nRUN id",
            "a:b:c",
            "a/",
            "/a",
            "a//b",
            "../a",
            "a..b",
            "a___b",
            "https://ghcr.io/a",
            "$HOME",
            "${X}",
            "a:",
            "a:.x",
            "a@sha256:",
            "a@md5:00",
            "user:secret@ghcr.io/a",
            "UPPER.example/a",
            &long,
            &short,
        ];
        for text in bad {
            assert!(ImageRef::new(text).is_err(), "{text:?}");
        }
        for text in [
            "169.254.169.254/latest/meta-data",
            "169.254.169.254:80/a",
            "[fe80::1]:5000/a",
            "[::ffff:169.254.169.254]:80/a",
            "[fd00:ec2::254]:80/a",
            "0.0.0.0:5000/a",
            "metadata.google.internal/a",
            "metadata:80/a",
        ] {
            let why = ImageRef::new(text).unwrap_err().to_string();
            assert!(why.contains("own link"), "{text}: {why}");
        }
    }

    #[test]
    fn a_tag_can_be_fixed_to_what_it_means() {
        let version = CommitId::new("ab".repeat(32)).unwrap();
        for (text, expected) in [
            ("nginx", "nginx"),
            ("r.example:5000/a/b:1", "r.example:5000/a/b:1"),
            ("r.example:5000/a/b", "r.example:5000/a/b"),
        ] {
            let image = ImageRef::new(text).unwrap();
            assert_eq!(image.digest(), None);
            let pinned = image.pinned(&version);
            assert_eq!(pinned.as_str(), format!("{expected}@sha256:{version}"));
            assert_eq!(pinned.digest().as_ref(), Some(&version));
            assert_eq!(pinned.pinned(&version), pinned);
            assert!(ImageRef::new(pinned.as_str()).is_ok());
            let name = expected.trim_end_matches(":1");
            assert_eq!(pinned.exactly(&version), format!("{name}@sha256:{version}"));
        }
        let hub = ImageRef::new("nginx:1").unwrap().registry().unwrap();
        assert_eq!(hub.as_str(), "docker.io");
    }
}
