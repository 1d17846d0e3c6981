//! Where backups go and who can open them, as checked text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::names::BadText;

/// A folder of a server (`file:///srv/backups`) or a place in an object store that speaks S3
/// (`s3://bucket/prefix?endpoint=https://…&region=…`). At most 1,024 visible ASCII characters, and
/// never a credential: those come from the server's environment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BackupPlace(String);

/// A [`BackupPlace`], taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// A folder, by its absolute path.
    Folder(&'a str),
    /// A bucket.
    Bucket {
        /// Its name.
        bucket: &'a str,
        /// What the names in it begin with; may be empty. Neither begins nor ends with a slash.
        prefix: &'a str,
        /// Where it answers, where that is not Amazon.
        endpoint: Option<&'a str>,
        /// Its region.
        region: Option<&'a str>,
    },
}

const WHAT: &str = "a place for backups";
const MOST_BYTES: usize = 1024;

fn bad(why: impl Into<String>) -> BadText {
    BadText { what: WHAT, why: why.into() }
}

impl BackupPlace {
    /// Checks a text.
    ///
    /// # Errors
    /// [`BadText`] says what is wrong and what would be right. It never repeats the text, which
    /// may hold a credential.
    pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
        let text = text.into();
        if text.len() > MOST_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("has at most 1024 visible ASCII characters"));
        }
        parse(&text)?;
        Ok(Self(text))
    }

    /// What stands for a folder whose own name cannot be one of these.
    #[must_use]
    pub fn nowhere() -> Self {
        Self("file:///nonexistent".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, taken apart.
    #[must_use]
    pub fn location(&self) -> Location<'_> {
        // It was checked when it was made.
        parse(&self.0).unwrap_or(Location::Folder("/nonexistent"))
    }
}

fn parse(text: &str) -> Result<Location<'_>, BadText> {
    match text.split_once("://") {
        Some(("file", path)) => folder(path),
        Some(("s3", rest)) => bucket(rest),
        Some(_) | None => Err(bad(
            "is file:///absolute/folder or s3://bucket/prefix, where the latter may end in \
             ?endpoint=https://host&region=name",
        )),
    }
}

fn folder(path: &str) -> Result<Location<'_>, BadText> {
    let path = path.trim_end_matches('/');
    let climbs = path.split('/').any(|part| part == ".." || part == ".");
    if !path.starts_with('/') || path.len() < 2 || climbs || path.contains(['?', '#', '%', '\\']) {
        return Err(bad(
            "has an absolute path after file://, such as file:///srv/backups, without \"..\", \
             \"?\", \"#\" and \"%\"",
        ));
    }
    Ok(Location::Folder(path))
}

fn bucket(rest: &str) -> Result<Location<'_>, BadText> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let of_bucket =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    if bucket.len() < 3 || bucket.len() > 63 || !bucket.bytes().all(of_bucket) {
        return Err(bad(
            "names a bucket of 3 to 63 lower-case letters, digits, dots and dashes after s3://, \
             and no credentials: the server takes those from its environment \
             (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
        ));
    }
    let prefix = prefix.trim_end_matches('/');
    let of_prefix = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'=');
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let fine = prefix.split('/').all(|p| part(p) && p.bytes().all(of_prefix));
    if !prefix.is_empty() && !fine {
        return Err(bad("has letters, digits, \".\", \"-\", \"_\" and \"=\" in its prefix"));
    }
    let (mut endpoint, mut region) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("endpoint", value)) if endpoint.is_none() => {
                endpoint = Some(self::endpoint(value)?);
            }
            Some(("region", value)) if region.is_none() => {
                if value.is_empty()
                    || !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                {
                    return Err(bad("has letters, digits and dashes in its region"));
                }
                region = Some(value);
            }
            Some(_) | None => {
                return Err(bad(
                    "knows endpoint and region after the question mark, each once; credentials \
                     come from the server's environment",
                ));
            }
        }
    }
    Ok(Location::Bucket { bucket, prefix, endpoint, region })
}

fn endpoint(value: &str) -> Result<&str, BadText> {
    let host = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    match host.map(|host| host.trim_end_matches('/')) {
        Some(host) if !host.is_empty() && host.bytes().all(plain) => Ok(value),
        Some(_) | None => Err(bad(
            "has an endpoint such as https://s3.example.com: a host and maybe a port, without a \
             path and without credentials",
        )),
    }
}

/// An age recipient (`age1…`): it closes a backup and cannot open one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BackupRecipient(String);

impl BackupRecipient {
    /// Checks the form of a text. Whether it is a point on the curve shows when it is used.
    ///
    /// # Errors
    /// [`BadText`], which does not repeat the text: it may be a secret key given by mistake.
    pub fn new(text: impl Into<String>) -> Result<Self, BadText> {
        let text = text.into();
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if text.len() == 62 && text.starts_with("age1") && plain {
            Ok(Self(text))
        } else {
            Err(BadText {
                what: "a backup recipient",
                why: "is the public half of a backup key: age1 and 58 more lower-case letters and \
                      digits, as in the comment of the key file"
                    .into(),
            })
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadText;

            fn from_str(text: &str) -> Result<Self, BadText> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(input)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(BackupPlace BackupRecipient);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_apart() {
        let place = BackupPlace::new("file:///srv/my-backups/").unwrap();
        assert_eq!(place.location(), Location::Folder("/srv/my-backups"));
        let text = "s3://my-bucket/a/b/?endpoint=http://127.0.0.1:9000&region=eu-1";
        let place = BackupPlace::new(text).unwrap();
        let (endpoint, region) = (Some("http://127.0.0.1:9000"), Some("eu-1"));
        let location = Location::Bucket { bucket: "my-bucket", prefix: "a/b", endpoint, region };
        assert_eq!(place.location(), location);
        let place = BackupPlace::new("s3://my-bucket").unwrap();
        let (endpoint, region) = (None, None);
        let location = Location::Bucket { bucket: "my-bucket", prefix: "", endpoint, region };
        assert_eq!(place.location(), location);
    }

    #[test]
    fn what_is_hostile_or_carries_a_credential_is_refused_without_repeating_it() {
        for text in [
            "",
            "/srv/backups",
            "file://relative/hush-hush",
            "file:///",
            "file:///a/../etc/hush-hush",
            "file:///a b/hush-hush",
            "file:///a%2f..",
            "ftp://hush-hush",
            "s3://user:hush-hush@bucket/x",
            "s3://Bucket/hush-hush",
            "s3://ab",
            "s3://bucket/a//hush-hush",
            "s3://bucket/../hush-hush",
            "s3://bucket/x?secret=hush-hush",
            "s3://bucket/x?endpoint=https://me:hush-hush@host",
            "s3://bucket/x?endpoint=ftp://hush-hush",
            "s3://bucket/x?endpoint=https://a&endpoint=https://hush-hush",
            "s3://bucket/x?region=",
        ] {
            let refused = BackupPlace::new(text).unwrap_err().to_string();
            assert!(!refused.contains("hush-hush"), "{refused}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<BackupPlace>(&json).is_err(), "{text}");
        }
        assert!(BackupPlace::new(format!("file:///{}", "x".repeat(2000))).is_err());
        let secret = format!("AGE-SECRET-KEY-1{}", "Q".repeat(58));
        let refused = BackupRecipient::new(&secret).unwrap_err().to_string();
        assert!(!refused.contains("QQQQ"), "{refused}");
        assert!(BackupRecipient::new(format!("age1{}", "q".repeat(58))).is_ok());
    }
}
