//! Answers that an app left as they are, made smaller on their way.
//!
//! Invariants: what an app compressed itself, forbade to change, or is of no use to compress passes as
//! it is; a piece that came is not held back for the next one; how many answers are compressed at once
//! is bounded, and those beyond it pass as they are.

use std::io::Write as _;
use std::sync::Arc;

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, VARY,
};
use hyper::{Method, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies that are shorter get hardly smaller.
const LEAST_BYTES: u64 = 1_024;
/// Bytes that an encoder hands on at once.
const BUFFER: usize = 16 * 1024;
/// What costs little and brings most of it: these are all for answers that nobody keeps.
const GZIP: Compression = Compression::new(5);
const BROTLI: u32 = 4;
/// 256 KiB for each answer under way.
const BROTLI_WINDOW: u32 = 18;
const ZSTD: i32 = 3;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

/// In the order of preference, where a client takes several as gladly.
const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

impl Coding {
    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What a client takes most gladly; none where it takes nothing that we can.
    pub(crate) fn accepted(method: &Method, headers: &HeaderMap) -> Option<Self> {
        if *method == Method::HEAD || !headers.contains_key(ACCEPT_ENCODING) {
            return None;
        }
        // In one pass: what browsers take is named by all of them, with every request.
        let (mut given, mut any) = ([None; ALL.len()], 0);
        for (name, quality) in offers(headers) {
            for (of, _) in given.iter_mut().zip(ALL).filter(|(_, coding)| is(name, coding.name())) {
                of.get_or_insert(quality);
            }
            if name == "*" {
                any = quality;
            }
        }
        let mut best: Option<(u16, Self)> = None;
        for (quality, coding) in given.into_iter().map(|of| of.unwrap_or(any)).zip(ALL) {
            if quality > best.map_or(0, |(most, _)| most) {
                best = Some((quality, coding));
            }
        }
        best.map(|(_, coding)| coding)
    }
}

/// How gladly a client takes a coding, in thousandths.
pub(crate) fn quality(headers: &HeaderMap, name: &str) -> u16 {
    let mut any = 0;
    for (offered, given) in offers(headers) {
        if is(offered, name) {
            return given;
        }
        if offered == "*" {
            any = given;
        }
    }
    any
}

/// What a client takes and how gladly, in thousandths.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = (&str, u16)> {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    let parts = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    parts.map(|part| {
        let mut words = part.split(';').map(str::trim);
        let coding = words.next().unwrap_or_default();
        let given = words.find_map(|word| word.strip_prefix("q=")).map_or(1_000, thousandths);
        (coding, given)
    })
}

fn is(offered: &str, name: &str) -> bool {
    offered.eq_ignore_ascii_case(name) || (name == "gzip" && offered == "x-gzip")
}

fn thousandths(text: &str) -> u16 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let fine = part.len() <= 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    match (whole, fine) {
        ("1", true) => 1_000,
        ("0", true) => format!("{part:0<3}").parse().unwrap_or(0),
        (_, true | false) => 0,
    }
}

/// Whether an answer is worth compressing, and nothing speaks against it.
fn worthwhile<B>(answer: &Response<B>, length: Option<u64>) -> bool {
    let headers = answer.headers();
    let status = answer.status();
    let whole = status.is_success()
        && ![StatusCode::NO_CONTENT, StatusCode::PARTIAL_CONTENT, StatusCode::RESET_CONTENT]
            .contains(&status);
    let forbidden = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.to_ascii_lowercase().contains("no-transform"))
    };
    // In the order of what each costs and of how many it sorts out.
    length.is_none_or(|length| length >= LEAST_BYTES)
        && (whole || status.is_client_error() || status.is_server_error())
        && headers.get(CONTENT_TYPE).is_some_and(shrinks)
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !headers.get_all(CACHE_CONTROL).iter().any(forbidden)
}

/// Types of applications, pictures and fonts that get smaller.
const APPLICATIONS: [&str; 11] = [
    "json",
    "javascript",
    "x-javascript",
    "xml",
    "wasm",
    "manifest+json",
    "x-ndjson",
    "graphql",
    "rtf",
    "vnd.ms-fontobject",
    "x-font-ttf",
];
const PICTURES: [&str; 4] = ["svg+xml", "bmp", "x-icon", "vnd.microsoft.icon"];
const FONTS: [&str; 4] = ["ttf", "otf", "sfnt", "collection"];

/// Whether what is of this type gets smaller. Streams of events do, but are all about coming at once.
fn shrinks(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let Some(at) = kind.iter().position(|byte| *byte == b'/') else { return false };
    let (family, name) =
        (kind.get(..at).unwrap_or_default(), kind.get(at + 1..).unwrap_or_default());
    let same = |one: &[u8], other: &str| one.eq_ignore_ascii_case(other.as_bytes());
    let is = |wanted: &str| same(family, wanted);
    let among = |names: &[&str]| names.iter().any(|one| same(name, one));
    let ends = |with: &str| {
        let from = name.len().checked_sub(with.len());
        let end = from.and_then(|from| name.get(from..));
        end.is_some_and(|end| same(end, with))
    };
    if is("text") {
        !among(&["event-stream"])
    } else if is("application") {
        ends("+json") || ends("+xml") || among(&APPLICATIONS)
    } else if is("image") {
        among(&PICTURES)
    } else {
        is("font") && among(&FONTS)
    }
}

/// Compresses an answer, where that is worthwhile: changes its head, and says what its body has to go
/// through. `length` is the body's, where it is known.
pub(crate) fn begin<B>(
    answer: &mut Response<B>,
    accepted: Option<Coding>,
    length: Option<u64>,
    places: &Arc<Semaphore>,
) -> Option<Squeezer> {
    if !worthwhile(answer, length) {
        return None;
    }
    let headers = answer.headers_mut();
    // What another client gets may be other, whatever this one gets.
    vary(headers);
    let coding = accepted?;
    let place = Arc::clone(places).try_acquire_owned().ok()?;
    let squeezer = Squeezer::new(coding, place)?;
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(squeezer.coding.name()));
    headers.remove(CONTENT_LENGTH);
    headers.remove(ACCEPT_RANGES);
    if let Some(tag) = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/")) {
        let weak = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat());
        match weak {
            Ok(weak) => headers.insert(ETAG, weak),
            Err(_) => headers.remove(ETAG),
        };
    }
    Some(squeezer)
}

fn vary(headers: &mut HeaderMap) {
    let named = headers.get_all(VARY).iter().any(|value| {
        let mut names = value.to_str().unwrap_or_default().split(',').map(str::trim);
        names.any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"))
    });
    if !named {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// What a body goes through.
pub(crate) struct Squeezer {
    coding: Coding,
    encoder: Option<Encoder>,
    /// Something went in since it was flushed.
    unflushed: bool,
    _place: OwnedSemaphorePermit,
}

enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl std::fmt::Debug for Squeezer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Squeezer").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Squeezer {
    fn new(coding: Coding, place: OwnedSemaphorePermit) -> Option<Self> {
        let encoder = match coding {
            Coding::Zstd => {
                Encoder::Zstd(zstd::stream::write::Encoder::new(Vec::new(), ZSTD).ok()?)
            }
            Coding::Brotli => Encoder::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                4 * 1024,
                BROTLI,
                BROTLI_WINDOW,
            ))),
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), GZIP)),
        };
        Some(Self { coding, encoder: Some(encoder), unflushed: false, _place: place })
    }

    /// Takes a piece in; gives what is enough to be sent on.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Option<Bytes> {
        self.unflushed |= !piece.is_empty();
        let encoder = self.encoder.as_mut()?;
        // Writing to memory does not fail.
        let _ = encoder.write_all(piece);
        (encoder.output().len() >= BUFFER).then(|| Bytes::from(std::mem::take(encoder.output())))
    }

    /// All of what went in: nothing more comes at the moment.
    pub(crate) fn flush(&mut self) -> Option<Bytes> {
        if !std::mem::take(&mut self.unflushed) {
            return None;
        }
        let encoder = self.encoder.as_mut()?;
        let _ = encoder.flush();
        let output = std::mem::take(encoder.output());
        (!output.is_empty()).then(|| Bytes::from(output))
    }

    /// The end. None where it was given before.
    pub(crate) fn end(&mut self) -> Option<Bytes> {
        let output = match self.encoder.take()? {
            Encoder::Zstd(encoder) => encoder.finish().unwrap_or_default(),
            Encoder::Brotli(encoder) => encoder.into_inner(),
            Encoder::Gzip(encoder) => encoder.finish().unwrap_or_default(),
        };
        (!output.is_empty()).then(|| Bytes::from(output))
    }
}

impl Encoder {
    fn write_all(&mut self, piece: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.write_all(piece),
            Self::Brotli(encoder) => encoder.write_all(piece),
            Self::Gzip(encoder) => encoder.write_all(piece),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Zstd(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Gzip(encoder) => encoder.get_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn places() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(1))
    }

    fn accepts(values: &[&str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, value.parse().unwrap());
        }
        Coding::accepted(&Method::GET, &headers)
    }

    #[test]
    fn a_client_gets_what_it_takes_most_gladly() {
        let rows: &[(&[&str], Option<Coding>)] = &[
            (&[], None),
            (&["identity"], None),
            (&["gzip, deflate, br, zstd"], Some(Coding::Zstd)),
            (&["gzip, deflate, br"], Some(Coding::Brotli)),
            (&["gzip", "br;q=0.9"], Some(Coding::Gzip)),
            (&["GZIP"], Some(Coding::Gzip)),
            (&["zstd;q=0, br;q=0, gzip;q=0"], None),
            (&["*"], Some(Coding::Zstd)),
            (&["*, zstd;q=0"], Some(Coding::Brotli)),
            (&["br;q=2, gzip;q=x"], None),
            (&["br; q=0.5, gzip; q=0.5"], Some(Coding::Brotli)),
            (&["br;q=0.051, gzip;q=0.5"], Some(Coding::Gzip)),
            (&["gzip;q=0.2, gzip, br;q=0.5"], Some(Coding::Brotli)),
            (&["x-gzip;q=0.2, *;q=0.1"], Some(Coding::Gzip)),
            (&["*;q=0.1", "zstd;q=0, *;q=0.9, gzip"], Some(Coding::Gzip)),
        ];
        for (given, wanted) in rows {
            assert_eq!(accepts(given), *wanted, "{given:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(Coding::accepted(&Method::HEAD, &headers), None);
    }

    #[test]
    fn only_what_gets_smaller_and_may_be_changed_is_compressed() {
        let answer = |status: u16, lines: &[(&str, &str)]| {
            let mut answer = Response::builder().status(status);
            for (name, value) in lines {
                answer = answer.header(*name, *value);
            }
            answer.body(()).unwrap()
        };
        let json = ("content-type", "application/json; charset=utf-8");
        type Row<'a> = (&'a str, u16, &'a [(&'a str, &'a str)], Option<u64>, bool);
        let rows: &[Row<'_>] = &[
            ("json", 200, &[json], Some(5_000), true),
            ("json of unknown length", 200, &[json], None, true),
            ("an error's page", 500, &[json], None, true),
            ("a small one", 200, &[json], Some(100), false),
            ("no type", 200, &[], None, false),
            ("a picture", 200, &[("content-type", "image/png")], None, false),
            ("a drawing", 200, &[("content-type", "image/svg+xml")], None, true),
            ("events", 200, &[("content-type", "text/event-stream")], None, false),
            ("events, loudly", 200, &[("content-type", "Text/Event-Stream")], None, false),
            (
                "json, loudly",
                200,
                &[("content-type", "APPLICATION/JSON;charset=utf-8")],
                None,
                true,
            ),
            ("a kind of json", 200, &[("content-type", "application/problem+Json")], None, true),
            ("a family alone", 200, &[("content-type", "application/")], None, false),
            ("a font", 200, &[("content-type", "font/woff2")], None, false),
            ("gRPC", 200, &[("content-type", "application/grpc")], None, false),
            ("compressed already", 200, &[json, ("content-encoding", "gzip")], None, false),
            (
                "not to be changed",
                200,
                &[json, ("cache-control", "public, No-Transform")],
                None,
                false,
            ),
            ("a part", 206, &[json, ("content-range", "bytes 0-1/2")], None, false),
            ("not modified", 304, &[json], None, false),
            ("no content", 204, &[json], None, false),
            ("a redirect", 302, &[json], None, false),
        ];
        for &(what, status, lines, length, wanted) in rows {
            let mut answer = answer(status, lines);
            let begun = begin(&mut answer, Some(Coding::Brotli), length, &places());
            assert_eq!(begun.is_some(), wanted, "{what}");
            assert_eq!(answer.headers().contains_key(VARY), wanted, "{what}");
        }
        let lines =
            [json, ("content-length", "5000"), ("etag", "\"a\""), ("accept-ranges", "bytes")];
        let mut answer = answer(200, &lines);
        let one = places();
        let held = begin(&mut answer, Some(Coding::Gzip), Some(5_000), &one).unwrap();
        let mut beyond = Response::builder().header("content-type", "text/css").body(()).unwrap();
        assert!(begin(&mut beyond, Some(Coding::Gzip), None, &one).is_none());
        drop(held);
        let headers = answer.headers();
        assert_eq!(
            (&headers[CONTENT_ENCODING], &headers[ETAG]),
            (&HeaderValue::from_static("gzip"), &HeaderValue::from_static("W/\"a\""))
        );
        assert!(!headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(ACCEPT_RANGES));
    }

    #[test]
    fn what_went_in_comes_out_and_each_piece_at_once() {
        let piece = "all the same ".repeat(100);
        for coding in ALL {
            let mut squeezer =
                Squeezer::new(coding, places().try_acquire_owned().unwrap()).unwrap();
            let mut all = Vec::new();
            for _ in 0..50 {
                all.extend(squeezer.take(piece.as_bytes()).into_iter().flatten());
                let before = all.len();
                all.extend(squeezer.flush().into_iter().flatten());
                assert!(all.len() > before, "{coding:?}: a piece was held back");
                assert_eq!(squeezer.flush(), None);
            }
            all.extend(squeezer.end().into_iter().flatten());
            assert_eq!(squeezer.end(), None);
            let mut plain = String::new();
            match coding {
                Coding::Zstd => {
                    let mut read = zstd::stream::read::Decoder::new(all.as_slice()).unwrap();
                    read.read_to_string(&mut plain).unwrap();
                }
                Coding::Brotli => {
                    let mut read = brotli::Decompressor::new(all.as_slice(), 4_096);
                    read.read_to_string(&mut plain).unwrap();
                }
                Coding::Gzip => {
                    let mut read = flate2::read::GzDecoder::new(all.as_slice());
                    read.read_to_string(&mut plain).unwrap();
                }
            }
            assert_eq!(plain, piece.repeat(50), "{coding:?}");
            assert!(all.len() < plain.len() / 4, "{coding:?}: {} bytes", all.len());
        }
    }
}
