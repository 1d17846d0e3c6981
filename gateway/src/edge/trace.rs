//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): which trace a request is part of.
//!
//! Invariants: what is passed on is well formed, and each header is there once at the most as far as its
//! meaning goes; a `tracestate` never comes without the `traceparent` that it belongs to. The edge takes
//! no part in a trace: it neither measures nor decides what is sampled.

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Length of a `traceparent` of version 00: version, trace, parent and flags, with dashes between.
const LENGTH: usize = 55;
/// Members of a `tracestate`.
const MOST_MEMBERS: usize = 32;
/// Bytes of a member's key and of its value.
const MOST_BYTES: usize = 256;

/// The trace of one request.
#[derive(Debug)]
pub(crate) struct Trace {
    parent: HeaderValue,
    id: [u8; 32],
    /// Whether what the client sent as `tracestate` is passed on.
    with_state: bool,
}

impl Trace {
    /// The one that a request says it is part of, or else a new one that nobody samples. It is named by
    /// the request's id where that can be a trace's; `new` gives 32 hexadecimal digits.
    pub(crate) fn of(
        headers: &HeaderMap,
        request: &HeaderValue,
        new: impl FnOnce() -> HeaderValue,
    ) -> Self {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let told = parents.next().filter(|_| parents.next().is_none()).and_then(read);
        if let Some((parent, id)) = told {
            return Self { parent, id, with_state: state_fine(headers) };
        }
        let id = trace_id(request.as_bytes()).or_else(|| trace_id(new().as_bytes()));
        // Without the system's randomness; any id but the one that is forbidden is one.
        let id = id.unwrap_or([b'1'; 32]);
        let mut text = *b"00-00000000000000000000000000000000-0000000000000001-00";
        let (_, rest) = text.split_at_mut(3);
        let (trace, rest) = rest.split_at_mut(id.len());
        trace.copy_from_slice(&id);
        let (_, half) = id.split_at(16);
        if is_id(half) {
            let (_, rest) = rest.split_at_mut(1);
            let (parent, _) = rest.split_at_mut(half.len());
            parent.copy_from_slice(half);
        }
        let parent = HeaderValue::from_bytes(&text);
        // It holds digits and dashes.
        let parent = parent.unwrap_or_else(|_| HeaderValue::from_static("00"));
        Self { parent, id, with_state: false }
    }

    /// Its 32 hexadecimal digits.
    pub(crate) const fn id(&self) -> [u8; 32] {
        self.id
    }

    /// Tells the app.
    pub(crate) fn note(self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.parent);
        if !self.with_state {
            headers.remove(TRACESTATE);
        }
    }
}

fn trace_id(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok().filter(|id: &[u8; 32]| is_id(id))
}

/// Lower case hexadecimal digits, not all of them 0.
fn is_id(bytes: &[u8]) -> bool {
    // To the end whatever comes: so it is done for many of them at once.
    let hex = bytes.iter().fold(true, |hex, byte| hex & is_hex(byte));
    hex && bytes.iter().any(|byte| *byte != b'0')
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A `traceparent` as it is passed on, and its trace. One of a later version is read as far as this one
/// goes, and passed on as one of this version.
fn read(value: &HeaderValue) -> Option<(HeaderValue, [u8; 32])> {
    let bytes = value.as_bytes();
    let (known, more) = bytes.split_at_checked(LENGTH)?;
    let [v1, v2, b'-', trace @ .., b'-', f1, f2] = known else { return None };
    let (trace, parent) = trace.split_at_checked(32)?;
    let parent = parent.strip_prefix(b"-")?;
    let version = [*v1, *v2];
    let fine = version.iter().chain([f1, f2]).all(is_hex) && version != *b"ff";
    if !fine || !is_id(parent) {
        return None;
    }
    let trace = trace_id(trace)?;
    if version == *b"00" {
        return more.is_empty().then(|| (value.clone(), trace));
    }
    if !more.is_empty() && !more.starts_with(b"-") {
        return None;
    }
    // Of its flags only the one that this version has is known.
    let sampled = matches!(f2, b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f');
    let flags: &[u8] = if sampled { b"01" } else { b"00" };
    let text = [&b"00-"[..], &trace, b"-", parent, b"-", flags].concat();
    Some((HeaderValue::from_bytes(&text).ok()?, trace))
}

/// Whether a `tracestate`, in however many headers it came, is well formed.
fn state_fine(headers: &HeaderMap) -> bool {
    let mut keys: Vec<&[u8]> = Vec::new();
    for value in headers.get_all(TRACESTATE) {
        for member in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if member.is_empty() {
                continue;
            }
            let Some(at) = member.iter().position(|byte| *byte == b'=') else { return false };
            let (key, value) = member.split_at(at);
            let value = value.get(1..).unwrap_or_default();
            if !key_fine(key) || !value_fine(value) || keys.contains(&key) {
                return false;
            }
            keys.push(key);
            if keys.len() > MOST_MEMBERS {
                return false;
            }
        }
    }
    true
}

fn key_fine(key: &[u8]) -> bool {
    let fine =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    let starts = key.first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let tenants = key.iter().filter(|byte| **byte == b'@').count();
    starts && key.len() <= MOST_BYTES && tenants <= 1 && key.iter().all(fine)
}

fn value_fine(value: &[u8]) -> bool {
    let fine = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'=';
    !value.is_empty() && value.len() <= MOST_BYTES && value.iter().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn passed(lines: &[(&'static str, &str)]) -> (String, Vec<String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let id = HeaderValue::from_static("00000000000000070000000000000009");
        let trace = Trace::of(&headers, &id, || panic!("the request's id will do"));
        let named = trace.id();
        trace.note(&mut headers);
        let all = |name: &str| -> Vec<String> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
        };
        let [parent] = all("traceparent").try_into().unwrap();
        assert_eq!(parent.as_bytes()[3..35], named);
        (parent, all("tracestate"))
    }

    #[test]
    fn a_trace_that_is_well_formed_passes_and_another_one_becomes_a_new_one() {
        let parent =
            |version: &str, rest: &str| format!("{version}-{TRACE}-00f067aa0ba902b7-{rest}");
        let new = "00-00000000000000070000000000000009-0000000000000009-00";
        for (given, wanted) in [
            (parent("00", "01"), parent("00", "01")),
            (parent("00", "ff"), parent("00", "ff")),
            (parent("01", "03"), parent("00", "01")),
            (parent("cc", "00-what-comes-later"), parent("00", "00")),
            (parent("cc", "00what"), new.to_owned()),
            (parent("00", "01-more"), new.to_owned()),
            (parent("ff", "01"), new.to_owned()),
            (parent("0G", "01"), new.to_owned()),
            (parent("00", "0"), new.to_owned()),
            (parent("00", "0G"), new.to_owned()),
            (parent("00", "01").to_uppercase(), new.to_owned()),
            (parent("00", "01").replace(TRACE, &"0".repeat(32)), new.to_owned()),
            (parent("00", "01").replace("00f067aa0ba902b7", &"0".repeat(16)), new.to_owned()),
            (parent("00", "01").replace('-', "_"), new.to_owned()),
            (String::new(), new.to_owned()),
        ] {
            let (parent, state) = passed(&[("traceparent", &given), ("tracestate", "a=1")]);
            assert_eq!(parent, wanted, "{given}");
            // What belongs to another parent goes with it.
            assert_eq!(state.is_empty(), wanted == new, "{given}");
        }
        let one = parent("00", "01");
        assert_eq!(passed(&[("traceparent", &one), ("traceparent", &one)]).0, new);
        assert_eq!(passed(&[("tracestate", "a=1")]), (new.to_owned(), vec![]));
    }

    #[test]
    fn a_state_passes_whole_or_not_at_all() {
        let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let many = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let long = |length| format!("a={}", "x".repeat(length));
        for (given, fine) in [
            (vec!["a=1, b@c=2 ,,d_-*/=3"], true),
            (vec!["a=1", "b=2"], true),
            (vec![""], true),
            (vec!["a=1,a=2"], false),
            (vec!["a=1", "a=2"], false),
            (vec!["a"], false),
            (vec!["a="], false),
            (vec!["=1"], false),
            (vec!["A=1"], false),
            (vec!["a@b@c=1"], false),
            (vec!["a=1=2"], false),
            (vec!["a=\t1\t2"], false),
            (vec![many(32).as_str()], true),
            (vec![many(33).as_str()], false),
            (vec![long(256).as_str()], true),
            (vec![long(257).as_str()], false),
        ] {
            let mut lines = vec![("traceparent", parent.as_str())];
            lines.extend(given.iter().map(|state| ("tracestate", *state)));
            let wanted: Vec<String> =
                if fine { given.iter().map(|&state| state.into()).collect() } else { vec![] };
            assert_eq!(passed(&lines), (parent.clone(), wanted));
        }
    }
}
