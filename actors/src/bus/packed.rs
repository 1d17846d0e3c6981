//! Messages that grow with the installation, as the route table does: large ones are compressed, since a server
//! takes no message above its `max_payload`, which is 1 MiB where nobody says otherwise.
//!
//! Invariants: what is small is JSON, which any tool reads; what is compressed is told by its first bytes, which
//! no JSON begins with; however little came, no more than a bound is made of it.

use std::borrow::Cow;
use std::io::{self, Read as _};

use bytes::Bytes;

/// Larger messages are compressed.
const PLAIN_BYTES: usize = 256 * 1024;
/// The most that is made of a compressed one: some three hundred thousand routes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What a frame of Zstandard begins with (RFC 8878, 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The quickest level: names of hosts and ids get no smaller by trying harder.
const LEVEL: i32 = 1;

/// What goes over the wire for this JSON.
///
/// # Errors
/// Where there is no memory for it.
pub(super) fn pack(json: Bytes) -> io::Result<Bytes> {
    if json.len() <= PLAIN_BYTES {
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
        for bytes in [0, 2, PLAIN_BYTES, PLAIN_BYTES + 1, 10 * PLAIN_BYTES] {
            let json = Bytes::from("[\"app.example\"]".repeat(bytes / 15 + 1).into_bytes());
            let packed = pack(json.clone()).unwrap();
            assert_eq!(packed.len() < json.len(), json.len() > PLAIN_BYTES);
            assert_eq!(unpack(&packed).unwrap(), &json[..]);
        }
    }

    #[test]
    fn what_is_damaged_or_becomes_too_large_is_refused() {
        let json = Bytes::from("[\"app.example\"]".repeat(PLAIN_BYTES).into_bytes());
        let packed = pack(json).unwrap();
        assert!(unpack(&packed[..packed.len() / 2]).is_err());
        let bomb = vec![0; usize::try_from(MOST_BYTES).unwrap() + 1];
        let bomb = zstd::stream::encode_all(&bomb[..], LEVEL).unwrap();
        assert!(bomb.len() < 64 * 1024);
        assert!(unpack(&bomb).unwrap_err().to_string().contains("larger"));
    }
}
