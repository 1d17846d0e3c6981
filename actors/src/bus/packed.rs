//! Messages that grow with the installation, as the route table does: what is larger than the server's
//! `max_payload`, which is 1 MiB where nobody says otherwise, is compressed.
//!
//! Invariants: what the server takes as it is is JSON, which any tool and an edge of any version reads; what is
//! compressed is told by its first bytes, which
//! no JSON begins with; however little came, no more than a bound is made of it.

use std::borrow::Cow;
use std::io::{self, Read as _};

use bytes::Bytes;

/// The most that is made of a compressed one: some three hundred thousand routes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What a frame of Zstandard begins with (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The quickest level: names of hosts and ids get no smaller by trying harder.
const LEVEL: i32 = 1;

/// What goes over the wire for this JSON, where the server takes `most` bytes.
///
/// # Errors
/// Where there is no memory for it.
pub(super) fn pack(json: Bytes, most: usize) -> io::Result<Bytes> {
    if json.len() <= most {
        return Ok(json);
    }
    zstd::stream::encode_all(&json[..], LEVEL).map(Bytes::from)
}

/// The JSON of what came over the wire, or was kept as it came.
///
/// # Errors
/// Where it is compressed and damaged, or becomes too large.
pub fn unpack(bytes: &[u8]) -> io::Result<Cow<'_, [u8]>> {
    if !bytes.starts_with(&MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut json = Vec::new();
    zstd::stream::Decoder::new(bytes)?.take(MOST_BYTES + 1).read_to_end(&mut json)?;
    if json.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it becomes larger than {MOST_BYTES} bytes")));
    }
    Ok(Cow::Owned(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_comes_back_as_it_was_and_takes_less_room() {
        let most = 15 * 1_000;
        for times in [0, 1, 1_000, 1_001, 100_000] {
            let json = Bytes::from("[\"app.example\"]".repeat(times).into_bytes());
            let packed = pack(json.clone(), most).unwrap();
            assert_eq!(packed.len() < json.len(), json.len() > most);
            assert_eq!(unpack(&packed).unwrap(), &json[..]);
        }
    }

    #[test]
    fn what_is_damaged_or_becomes_too_large_is_refused() {
        let json = Bytes::from("[\"app.example\"]".repeat(100_000).into_bytes());
        let packed = pack(json, 1_024).unwrap();
        assert!(unpack(&packed[..packed.len() / 2]).is_err());
        let bomb = vec![0; usize::try_from(MOST_BYTES).unwrap() + 1];
        let bomb = zstd::stream::encode_all(&bomb[..], LEVEL).unwrap();
        assert!(bomb.len() < 64 * 1024);
        assert!(unpack(&bomb).unwrap_err().to_string().contains("larger"));
    }
}
