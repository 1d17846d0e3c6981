//! What a push begins with: which references are to become what, in packets of git's own.
//!
//! Nothing of it is believed: names and ids become checked types, and there are bounds on all of it.

use hythe_core::limits;
use hythe_core::names::CommitId;
use hythe_core::push::RefUpdate;

/// The beginning of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// What is to become what.
    pub(super) updates: Vec<RefUpdate>,
    /// The commits whose parents are not sent along.
    pub(super) shallow: Vec<CommitId>,
    /// What is asked for besides: `git push -o`.
    pub(super) options: Vec<String>,
    /// Whether the client reads what it is told on the way.
    pub(super) side_band: bool,
    /// Whether it wants to hear what came of it.
    pub(super) report: bool,
}

/// What is wrong with it.
pub(super) type Bad = &'static str;

const STRANGE: Bad = "this is no push of git's";

/// Reads the head, where all of it is there; says how many bytes it has. One without updates asks only
/// whether it may push.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Bad> {
    let mut head = Head::default();
    let mut wants_options = false;
    let mut at = 0;
    loop {
        let Some((packet, length)) = packet(bytes.get(at..).unwrap_or_default())? else {
            return Ok(None);
        };
        at += length;
        let Some(packet) = packet else { break };
        if let Some(commit) = packet.strip_prefix(b"shallow ") {
            head.shallow.push(id(commit)?.ok_or(STRANGE)?);
        } else {
            let (update, capabilities) = match packet.iter().position(|byte| *byte == 0) {
                Some(end) => (packet.get(..end), packet.get(end + 1..)),
                None => (Some(packet), None),
            };
            head.updates.push(self::update(update.unwrap_or_default())?);
            let capabilities = String::from_utf8_lossy(capabilities.unwrap_or_default());
            for capability in capabilities.split_whitespace() {
                match capability {
                    "side-band-64k" => head.side_band = true,
                    "report-status" => head.report = true,
                    "push-options" => wants_options = true,
                    _known_to_git => {}
                }
            }
        }
        if head.updates.len().max(head.shallow.len()) > limits::MOST_PUSHED_REFS {
            return Err("a push has at most 1000 references; push one: HEAD:main");
        }
    }
    if !wants_options {
        return Ok(Some((head, at)));
    }
    loop {
        let Some((packet, length)) = packet(bytes.get(at..).unwrap_or_default())? else {
            return Ok(None);
        };
        at += length;
        let Some(packet) = packet else { return Ok(Some((head, at))) };
        head.options.push(String::from_utf8_lossy(packet).into_owned());
    }
}

/// A packet without its line end, none for a flush; and how many bytes it had.
type Packet<'a> = (Option<&'a [u8]>, usize);

/// The next packet without its line end, and how many bytes it has; none in a flush.
fn packet(bytes: &[u8]) -> Result<Option<Packet<'_>>, Bad> {
    let Some((length, rest)) = bytes.split_at_checked(4) else { return Ok(None) };
    let digits = std::str::from_utf8(length).ok();
    let digits = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let length = digits.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or(STRANGE)?;
    match length {
        0 => Ok(Some((None, 4))),
        1..=4 => Err(STRANGE),
        _ => Ok(rest
            .get(..length - 4)
            .map(|packet| (Some(packet.strip_suffix(b"\n").unwrap_or(packet)), length))),
    }
}

/// `OLD NEW NAME`.
fn update(line: &[u8]) -> Result<RefUpdate, Bad> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let mut next = || words.next().ok_or(STRANGE);
    let (old, new, name) = (next()?, next()?, next()?);
    let name = String::from_utf8_lossy(name).into_owned();
    Ok(RefUpdate { name, old: id(old)?, new: id(new)? })
}

/// A commit's id; none where it is all zeros.
fn id(bytes: &[u8]) -> Result<Option<CommitId>, Bad> {
    let text = std::str::from_utf8(bytes).map_err(|_| STRANGE)?;
    if text.len() != 40 {
        return Err("only repositories with SHA-1 ids can be pushed");
    }
    if text.bytes().all(|byte| byte == b'0') {
        return Ok(None);
    }
    CommitId::new(text).map(Some).map_err(|_| STRANGE)
}

/// A packet of git's.
pub(super) fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn whole(text: &str) -> (Head, usize) {
        parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_push_is_read_once_all_of_its_head_is_there() {
        let caps = "\0 report-status side-band-64k push-options object-format=sha1 agent=git/2";
        let first = line(&format!("{NONE} {A} refs/heads/main{caps}"));
        let second = line(&format!("{A} {NONE} refs/tags/v1\n"));
        let shallow = line(&format!("shallow {A}\n"));
        let text = format!("{shallow}{first}{second}0000{}0000", line("detach"));
        let (head, length) = whole(&format!("{text}PACK…"));
        assert_eq!(length, text.len());
        assert!(head.side_band && head.report);
        assert_eq!(head.options, ["detach"]);
        assert_eq!(head.shallow.len(), 1);
        let commit = CommitId::new(A).unwrap();
        let main =
            RefUpdate { name: "refs/heads/main".into(), old: None, new: Some(commit.clone()) };
        let gone = RefUpdate { name: "refs/tags/v1".into(), old: Some(commit), new: None };
        assert_eq!(head.updates, [main, gone]);
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Ok(None), "{end}");
        }
        assert_eq!(whole("0000"), (Head::default(), 4), "a question whether one may");
    }

    #[test]
    fn what_git_does_not_send_is_no_push() {
        let long = line(&format!("{} {A} refs/heads/main", "0".repeat(64)));
        let many: String =
            (0..1_001).map(|n| line(&format!("{NONE} {A} refs/heads/b{n}"))).collect();
        for wrong in [
            "GET ",
            "+123",
            "0001",
            "0004",
            &line("x"),
            &line(&format!("{NONE} {A}")),
            &line(&format!("{NONE} {} refs/heads/main", A.to_uppercase())),
            &line(&format!("shallow {NONE}")),
            &line("push-cert\0caps"),
            &long,
            &many,
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:.80}");
        }
        let name = line(&format!("{NONE} {A} refs/heads/\u{1b}[31m ../x"));
        let (head, _) = whole(&(name + "0000"));
        assert_eq!(head.updates[0].name, "refs/heads/\u{1b}[31m ../x", "judged elsewhere");
    }
}
