//! Numbers of seven bits a byte, lowest first; small ones are short.

/// Appends a number.
pub(crate) fn put(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push((number & 0x7f) as u8);
}

/// Takes a number off the front; `None` where the bytes end first or it has more than 64 bits.
pub(crate) fn take(from: &mut &[u8]) -> Option<u64> {
    // Most are short.
    if let Some((&byte, rest)) = from.split_first()
        && byte < 0x80
    {
        *from = rest;
        return Some(byte.into());
    }
    let mut number = 0u64;
    for (at, byte) in from.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * at);
        if shifted >> (7 * at) != bits {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            *from = &from[at + 1..];
            return Some(number);
        }
    }
    None
}

/// Appends a difference: near zero is short on both sides.
pub(crate) fn put_signed(into: &mut Vec<u8>, number: i64) {
    put(into, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Takes a difference off the front.
pub(crate) fn take_signed(from: &mut &[u8]) -> Option<i64> {
    take(from).map(|number| (number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(shift in 0u32..64, bits: u64, rest: Vec<u8>) {
            let number = bits >> shift;
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            put_signed(&mut bytes, number.cast_signed());
            bytes.extend_from_slice(&rest);
            let mut from = bytes.as_slice();
            prop_assert_eq!(take(&mut from), Some(number));
            prop_assert_eq!(take_signed(&mut from), Some(number.cast_signed()));
            prop_assert_eq!(from, rest.as_slice());
        }
    }

    #[test]
    fn what_is_cut_short_or_too_large_is_no_number() {
        assert_eq!(take(&mut [].as_slice()), None);
        assert_eq!(take(&mut [0x80].as_slice()), None);
        assert_eq!(take(&mut [0xff; 10].as_slice()), None);
        assert_eq!(take(&mut [0x80; 11].as_slice()), None);
    }
}
