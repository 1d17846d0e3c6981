//! How a source is written: by names in JSON, by position in events.
//!
//! Invariant: a git repository is written in events as it was before there was anything else, and what
//! was written then means the same.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{GitSource, ImageRef, Pushed, Reference, Source, UploadDigest};
use crate::names::{BranchName, CommitId, RepositoryUrl, TagName};

/// A source with names, as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Named {
    Git { repository: RepositoryUrl, reference: Reference },
    Upload { upload: UploadDigest },
    Image { image: ImageRef },
    Pushed { pushed: Pushed },
}

/// A source by position, as events have it. The repository is empty where there is none.
#[derive(Serialize, Deserialize)]
struct Placed {
    repository: String,
    what: What,
}

/// What of it. Append-only. The first four are the bytes of [`Reference`].
#[derive(Serialize, Deserialize)]
enum What {
    DefaultBranch,
    Branch(BranchName),
    Commit(CommitId),
    Tag(TagName),
    Upload(UploadDigest),
    Image(ImageRef),
    Pushed(Pushed),
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        if into.is_human_readable() {
            return match self.clone() {
                Self::Git(GitSource { repository, reference }) => {
                    Named::Git { repository, reference }
                }
                Self::Upload(upload) => Named::Upload { upload },
                Self::Image(image) => Named::Image { image },
                Self::Pushed(pushed) => Named::Pushed { pushed },
            }
            .serialize(into);
        }
        let (repository, what) = match self.clone() {
            Self::Git(GitSource { repository, reference }) => {
                (repository.to_string(), reference.into())
            }
            Self::Upload(upload) => (String::new(), What::Upload(upload)),
            Self::Image(image) => (String::new(), What::Image(image)),
            Self::Pushed(pushed) => (String::new(), What::Pushed(pushed)),
        };
        Placed { repository, what }.serialize(into)
    }
}

impl From<Reference> for What {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::DefaultBranch => Self::DefaultBranch,
            Reference::Branch(branch) => Self::Branch(branch),
            Reference::Commit(commit) => Self::Commit(commit),
            Reference::Tag(tag) => Self::Tag(tag),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            return Ok(match Named::deserialize(from)? {
                Named::Git { repository, reference } => {
                    Self::Git(GitSource { repository, reference })
                }
                Named::Upload { upload } => Self::Upload(upload),
                Named::Image { image } => Self::Image(image),
                Named::Pushed { pushed } => Self::Pushed(pushed),
            });
        }
        let Placed { repository, what } = Placed::deserialize(from)?;
        let reference = match what {
            What::Upload(_) | What::Image(_) | What::Pushed(_) if !repository.is_empty() => {
                return Err(D::Error::custom(
                    "a source is a repository, an upload, an image or what was pushed",
                ));
            }
            What::Upload(upload) => return Ok(Self::Upload(upload)),
            What::Image(image) => return Ok(Self::Image(image)),
            What::Pushed(pushed) => return Ok(Self::Pushed(pushed)),
            What::DefaultBranch => Reference::DefaultBranch,
            What::Branch(branch) => Reference::Branch(branch),
            What::Commit(commit) => Reference::Commit(commit),
            What::Tag(tag) => Reference::Tag(tag),
        };
        let repository = RepositoryUrl::new(repository).map_err(D::Error::custom)?;
        Ok(Self::Git(GitSource { repository, reference }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> RepositoryUrl {
        RepositoryUrl::new("https://git.example/a.git").unwrap()
    }

    #[test]
    fn a_repository_is_written_and_read_as_it_was_before_there_was_anything_else() {
        let references = [
            Reference::DefaultBranch,
            Reference::Branch(BranchName::new("main").unwrap()),
            Reference::Commit(CommitId::new("a".repeat(40)).unwrap()),
            Reference::Tag(TagName::new("v1").unwrap()),
        ];
        for reference in references {
            let before = postcard::to_allocvec(&(url(), reference.clone())).unwrap();
            let json = serde_json::json!({ "repository": url(), "reference": reference });
            let now = Source::Git(GitSource { repository: url(), reference });
            assert_eq!(postcard::to_allocvec(&now).unwrap(), before);
            assert_eq!(postcard::from_bytes::<Source>(&before).unwrap(), now);
            assert_eq!(serde_json::to_value(&now).unwrap(), json);
            assert_eq!(serde_json::from_value::<Source>(json).unwrap(), now);
        }
    }

    #[test]
    fn the_others_come_back_and_mixtures_are_refused() {
        let upload = UploadDigest::new(format!("sha256:{}", "0".repeat(64))).unwrap();
        let image = ImageRef::new("ghcr.io/team/shop:1.2").unwrap();
        let pushed = Pushed {
            branch: BranchName::new("main").unwrap(),
            commit: CommitId::new("a".repeat(40)).unwrap(),
            upload: upload.clone(),
        };
        let all =
            [Source::Upload(upload.clone()), Source::Image(image), Source::Pushed(pushed.clone())];
        for source in all {
            let bytes = postcard::to_allocvec(&source).unwrap();
            assert_eq!(postcard::from_bytes::<Source>(&bytes).unwrap(), source);
            let json = serde_json::to_string(&source).unwrap();
            assert_eq!(serde_json::from_str::<Source>(&json).unwrap(), source);
        }
        let both = Placed { repository: url().to_string(), what: What::Upload(upload) };
        let neither = Placed { repository: String::new(), what: What::DefaultBranch };
        let pushed = Placed { repository: url().to_string(), what: What::Pushed(pushed) };
        for wrong in [both, neither, pushed] {
            let bytes = postcard::to_allocvec(&wrong).unwrap();
            assert!(postcard::from_bytes::<Source>(&bytes).is_err());
        }
    }
}
