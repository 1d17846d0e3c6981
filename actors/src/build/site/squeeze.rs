//! Compresses files once, so that no edge has to.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use bytes::Bytes;
use hythe_core::site::Compression;

/// Shorter ones fit into the first packets of an answer anyway.
const LEAST_BYTES: u64 = 512;
/// Longer ones would take a build too long.
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// The best that takes milliseconds for what pages consist of: its best level takes ten times as long.
const BROTLI: i32 = 9;
/// 4 MiB, the most that all clients take.
const BROTLI_WINDOW: i32 = 22;
/// What stays within the 8 MiB that clients take (RFC 9659).
const ZSTD: i32 = 15;

/// Whether a file of this name and size is compressed.
pub(crate) fn is_worth_it(path: &str, bytes: u64) -> bool {
    (LEAST_BYTES..=MOST_BYTES).contains(&bytes) && hythe_core::site::is_compressible(path)
}

/// The compressed forms of a file that are smaller by a twentieth. Blocks.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn squeeze(place: &Path) -> io::Result<Vec<(Compression, Bytes)>> {
    let plain = fs::read(place)?;
    let mut forms = Vec::new();
    for compression in Compression::ALL {
        let packed = match compression {
            Compression::Brotli => brotli(&plain)?,
            Compression::Zstd => zstd::stream::encode_all(&plain[..], ZSTD)?,
            Compression::Gzip => gzip(&plain)?,
        };
        if packed.len() < plain.len() - plain.len() / 20 {
            forms.push((compression, packed.into()));
        }
    }
    Ok(forms)
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: BROTLI,
        lgwin: BROTLI_WINDOW,
        size_hint: plain.len(),
        ..Default::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &plain[..], &mut packed, &params)?;
    Ok(packed)
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_gets_smaller_is_kept_and_comes_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let plain = "body { color: red }\n".repeat(200);
        fs::write(file.path(), &plain).unwrap();
        let forms = squeeze(file.path()).unwrap();
        assert_eq!(forms.len(), 3);
        for (compression, packed) in forms {
            let mut back = Vec::new();
            match compression {
                Compression::Brotli => {
                    brotli::BrotliDecompress(&mut &packed[..], &mut back).unwrap();
                }
                Compression::Zstd => back = zstd::stream::decode_all(&packed[..]).unwrap(),
                Compression::Gzip => {
                    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut back).unwrap();
                }
            }
            assert_eq!(back, plain.as_bytes(), "{compression:?}");
        }
        let random: Vec<u8> =
            (0..4_000_u32).map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[0]).collect();
        fs::write(file.path(), random).unwrap();
        assert!(squeeze(file.path()).unwrap().is_empty());
        assert!(
            is_worth_it("a/b.CSS", 512)
                && !is_worth_it("a.css", 511)
                && !is_worth_it("a.png", 9_999)
        );
    }
}
