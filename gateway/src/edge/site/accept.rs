//! What a client takes: which form of a file, and which part of it. Pure.

use hyper::header::{HeaderMap, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE};
use hythe_core::site::{Compression, FileHash, SiteFile};

use crate::edge::compress::quality;

/// A form of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form<'a> {
    pub(super) hash: &'a FileHash,
    pub(super) bytes: u64,
    pub(super) compression: Option<Compression>,
    /// With its quotes.
    pub(super) tag: String,
}

/// As many digits of a digest as nobody finds two files for.
const TAG_DIGITS: usize = 32;

impl<'a> Form<'a> {
    /// The file as it is.
    pub(super) fn plain(file: &'a SiteFile) -> Self {
        Self::of(file, &file.hash, file.bytes, None)
    }

    fn of(
        file: &'a SiteFile,
        hash: &'a FileHash,
        bytes: u64,
        compression: Option<Compression>,
    ) -> Self {
        // Each form is a representation of its own, so its strong tag is, too.
        let digits = file.hash.as_str().get(..TAG_DIGITS).unwrap_or_default();
        let tag = match compression {
            None => format!("\"{digits}\""),
            Some(compression) => format!("\"{digits}-{}\"", compression.name()),
        };
        Self { hash, bytes, compression, tag }
    }

    /// The form that a client takes most gladly, the smallest of those.
    pub(super) fn preferred(file: &'a SiteFile, headers: &HeaderMap) -> Self {
        let mut best: Option<(u16, Self)> = None;
        for compression in Compression::ALL {
            let Some(variant) = file.variants.get(compression) else { continue };
            let gladly = quality(headers, compression.name());
            let better = |(known, form): &(u16, Self)| {
                gladly > *known || (gladly == *known && variant.bytes < form.bytes)
            };
            if gladly > 0 && best.as_ref().is_none_or(better) {
                best =
                    Some((gladly, Self::of(file, &variant.hash, variant.bytes, Some(compression))));
            }
        }
        best.map_or_else(|| Self::plain(file), |(_, form)| form)
    }
}

/// Whether a client has this form already (RFC 9110, 13.1.2: compared weakly).
pub(super) fn has(headers: &HeaderMap, tag: &str) -> bool {
    let said = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = said.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|said| said == "*" || said.strip_prefix("W/").unwrap_or(said) == tag)
}

/// Whether a client wants this form, where it says of which it wants something (RFC 9110, 13.1.1: compared
/// strongly). Files have no date that `If-Unmodified-Since` would be compared with, so that it says nothing (13.1.4).
pub(super) fn means(headers: &HeaderMap, tag: &str) -> bool {
    if !headers.contains_key(IF_MATCH) {
        return true;
    }
    let said = headers.get_all(IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = said.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|said| said == "*" || said == tag)
}

/// Which bytes a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// All of them.
    All,
    /// From the first to the last of these.
    Some(u64, u64),
    /// Such as there are not.
    Beyond,
}

/// Whether a part may be wanted at all: then the file is sent as it is.
pub(super) fn wants_a_part(headers: &HeaderMap) -> bool {
    headers.contains_key(RANGE)
}

/// One range of bytes (RFC 9110, 14.2). Several at once, and what is none, are answered with all: both may be.
pub(super) fn range(headers: &HeaderMap, tag: &str, bytes: u64) -> Wants {
    let Some(said) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Wants::All;
    };
    // Of another version a part is of no use. A date says too little of which version it was.
    let same = headers.get(IF_RANGE).is_none_or(|said| said.as_bytes() == tag.as_bytes());
    let Some((unit, said)) = said.split_once('=').filter(|_| same) else { return Wants::All };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wants::All;
    }
    let Some((first, last)) = said.trim().split_once('-') else { return Wants::All };
    let number = |text: &str| -> Option<Option<u64>> {
        if text.is_empty() {
            return Some(None);
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        // One that is too large for us is beyond every end.
        digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
    };
    match (number(first.trim()), number(last.trim())) {
        (Some(Some(first)), Some(last)) => {
            let last = last.unwrap_or(u64::MAX);
            if last < first {
                Wants::All
            } else if first >= bytes {
                Wants::Beyond
            } else {
                Wants::Some(first, last.min(bytes - 1))
            }
        }
        (Some(None), Some(Some(0))) => Wants::Beyond,
        (Some(None), Some(Some(_))) if bytes == 0 => Wants::Beyond,
        (Some(None), Some(Some(count))) => Wants::Some(bytes.saturating_sub(count), bytes - 1),
        (_, _) => Wants::All,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{ACCEPT_ENCODING, HeaderName, HeaderValue};
    use hythe_core::site::{Variant, Variants};

    use super::*;

    fn headers(all: &[(HeaderName, &str)]) -> HeaderMap {
        let pair = |(name, value): &(HeaderName, &str)| {
            (name.clone(), HeaderValue::from_str(value).unwrap())
        };
        all.iter().map(pair).collect()
    }

    fn file() -> SiteFile {
        let hash = |digit: &str| FileHash::new(digit.repeat(64)).unwrap();
        let variant = |digit, bytes| Some(Variant { hash: hash(digit), bytes });
        let variants =
            Variants { zstd: variant("2", 35), br: variant("3", 30), gzip: variant("4", 40) };
        SiteFile { hash: hash("1"), bytes: 100, variants }
    }

    #[test]
    fn the_smallest_of_what_is_taken_most_gladly_is_sent() {
        let rows = [
            ("", None),
            ("gzip", Some(Compression::Gzip)),
            ("gzip, deflate, br, zstd", Some(Compression::Brotli)),
            ("gzip, zstd", Some(Compression::Zstd)),
            ("gzip;q=1.0, br;q=0.5", Some(Compression::Gzip)),
            ("*", Some(Compression::Brotli)),
            ("*, br;q=0", Some(Compression::Zstd)),
            ("identity", None),
            ("br;q=0", None),
        ];
        let file = file();
        for (said, expected) in rows {
            let form = Form::preferred(&file, &headers(&[(ACCEPT_ENCODING, said)]));
            assert_eq!(form.compression, expected, "{said}");
        }
        assert_eq!(Form::plain(&file).tag, format!("\"{}\"", "1".repeat(32)));
    }

    #[test]
    fn a_tag_is_found_among_several() {
        let has = |said: &str| has(&headers(&[(IF_NONE_MATCH, said)]), "\"a-br\"");
        assert!(has("\"a-br\"") && has("\"x\", W/\"a-br\"") && has("*"));
        assert!(!has("\"a\"") && !has("a-br") && !has(""));
    }

    #[test]
    fn of_another_form_than_is_meant_nothing_is_wanted() {
        let means = |said: &[(HeaderName, &str)]| means(&headers(said), "\"a-br\"");
        assert!(means(&[]) && means(&[(IF_NONE_MATCH, "\"x\"")]));
        for (said, meant) in [
            ("\"a-br\"", true),
            ("\"x\", \"a-br\"", true),
            ("*", true),
            // What is only as good is not the same bytes.
            ("W/\"a-br\"", false),
            ("\"a\"", false),
            ("a-br", false),
            ("", false),
        ] {
            assert_eq!(means(&[(IF_MATCH, said)]), meant, "{said}");
        }
    }

    #[test]
    fn one_range_is_a_part_and_all_else_is_everything() {
        let of = |said: &str| range(&headers(&[(RANGE, said)]), "\"t\"", 100);
        let rows = [
            ("bytes=0-9", Wants::Some(0, 9)),
            ("bytes=90-", Wants::Some(90, 99)),
            ("bytes=90-500", Wants::Some(90, 99)),
            ("bytes=-10", Wants::Some(90, 99)),
            ("Bytes=0-9", Wants::Some(0, 9)),
            ("bytes=-500", Wants::Some(0, 99)),
            ("bytes=100-", Wants::Beyond),
            ("bytes=-0", Wants::Beyond),
            ("bytes=99999999999999999999-", Wants::Beyond),
            ("bytes=5-4", Wants::All),
            ("bytes=0-1,3-4", Wants::All),
            ("bytes=-", Wants::All),
            ("bytes=+1-2", Wants::All),
            ("lines=1-2", Wants::All),
        ];
        for (said, expected) in rows {
            assert_eq!(of(said), expected, "{said}");
        }
        let with = |tag| range(&headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, tag)]), "\"t\"", 100);
        assert_eq!(with("\"t\""), Wants::Some(0, 1));
        assert_eq!(with("W/\"t\""), Wants::All);
        assert_eq!(with("Mon, 30 Nov 2026 03:00:00 GMT"), Wants::All);
        assert_eq!(range(&headers(&[(RANGE, "bytes=-1")]), "\"t\"", 0), Wants::Beyond);
    }
}
