//! What a build gave, and how that is written: an image as it was written before there were sites.
//!
//! Invariant: by position, as events have it, an image is its four fields; what was written before there was
//! anything else means the same. No app answers on port 0, so a 0 there says that a site follows; an image with
//! that port is not written, for what comes after it could not be read any more. Nor is what its repository
//! says, which a builder's report has and an event of its own takes.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::declared::Declared;
use crate::ids::WorkerId;
use crate::names::{CommitId, ImageId};
use crate::site::BuiltSite;

/// What a build gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltImage {
    /// The image; of a site the one that its files were taken out of, which is not kept.
    pub image: ImageId,
    /// The commit that it was made from; of an upload its digest, of a registry's image the digest
    /// that its name stood for.
    pub commit: CommitId,
    /// The port that its replicas answer on; 0 for a site, which has none.
    pub port: u16,
    /// The worker whose engine has the image, or built the site.
    pub worker: WorkerId,
    /// The static site that it is, where it is one: no container runs then.
    pub site: Option<Box<BuiltSite>>,
    /// What its repository says of processes, where a builder reports it.
    pub declared: Declared,
}

const NAME: &str = "BuiltImage";
const FIELDS: &[&str] = &["image", "commit", "port", "worker", "site"];

/// With names, as JSON has it.
#[derive(Deserialize)]
struct Named {
    image: ImageId,
    commit: CommitId,
    port: u16,
    worker: WorkerId,
    #[serde(default)]
    site: Option<Box<BuiltSite>>,
    #[serde(default)]
    declared: Declared,
}

impl Serialize for BuiltImage {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        let Self { image, commit, port, worker, site, declared } = self;
        if site.is_none() && *port == 0 && !into.is_human_readable() {
            let why = "an image whose app answers on port 0 is not written";
            return Err(serde::ser::Error::custom(why));
        }
        let declares = !declared.is_empty();
        if declares && !into.is_human_readable() {
            return Err(serde::ser::Error::custom("what a repository says is an event of its own"));
        }
        let port = if site.is_some() { &0 } else { port };
        let more = usize::from(site.is_some()) + usize::from(declares);
        let mut fields = into.serialize_struct(NAME, 4 + more)?;
        fields.serialize_field("image", image)?;
        fields.serialize_field("commit", commit)?;
        fields.serialize_field("port", port)?;
        fields.serialize_field("worker", worker)?;
        if let Some(site) = site {
            fields.serialize_field("site", site)?;
        }
        if declares {
            fields.serialize_field("declared", declared)?;
        }
        fields.end()
    }
}

impl<'de> Deserialize<'de> for BuiltImage {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let Named { image, commit, port, worker, site, declared } = Named::deserialize(from)?;
            return Ok(Self { image, commit, port, worker, site, declared });
        }
        from.deserialize_struct(NAME, FIELDS, Placed)
    }
}

/// By position, as events have it.
struct Placed;

impl<'de> Visitor<'de> for Placed {
    type Value = BuiltImage;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what a build gave")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<BuiltImage, A::Error> {
        fn field<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
            fields: &mut A,
            name: &'static str,
        ) -> Result<T, A::Error> {
            fields.next_element()?.ok_or_else(|| A::Error::missing_field(name))
        }
        let image = field(&mut fields, "image")?;
        let commit = field(&mut fields, "commit")?;
        let port: u16 = field(&mut fields, "port")?;
        let worker = field(&mut fields, "worker")?;
        let site = if port == 0 { Some(field(&mut fields, "site")?) } else { None };
        Ok(BuiltImage { image, commit, port, worker, site, declared: Declared::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::SiteId;
    use crate::testing::built;

    #[test]
    fn an_image_is_written_as_before_and_a_site_comes_back() {
        let image = built();
        let BuiltImage { image: id, commit, port, worker, site: _, declared: _ } = image.clone();
        let before = postcard::to_allocvec(&(id, commit, port, worker)).unwrap();
        assert_eq!(postcard::to_allocvec(&image).unwrap(), before);
        let id = SiteId::new("b".repeat(64)).unwrap();
        let site = Some(Box::new(BuiltSite { id, files: 3, bytes: 70_000 }));
        let site = BuiltImage { site, port: 0, ..image.clone() };
        for one in [image, site] {
            // What follows is where it should be.
            let bytes = postcard::to_allocvec(&(one.clone(), 7_u8)).unwrap();
            assert_eq!(postcard::from_bytes::<(BuiltImage, u8)>(&bytes).unwrap(), (one.clone(), 7));
            let json = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<BuiltImage>(&json).unwrap(), one);
        }
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let release = crate::argv::Argv::new(vec!["migrate".into()]).ok();
        let declared = Declared { release, ..Declared::default() };
        for image in [BuiltImage { port: 0, ..built() }, BuiltImage { declared, ..built() }] {
            assert!(postcard::to_allocvec(&image).is_err());
            // A builder's report has names: there it is read, to be refused with words, or told apart.
            let json = serde_json::to_string(&image).unwrap();
            assert_eq!(serde_json::from_str::<BuiltImage>(&json).unwrap(), image);
        }
    }
}
