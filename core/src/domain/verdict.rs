//! What resolvers say of a domain's TXT record, and what that comes to.
//!
//! The rule: the domain is proven where more than half of all resolvers that were asked have the token;
//! its record is absent where none has it and more than half say so. Anything else is undecided, and
//! changes nothing: not everybody may have heard of a new record, and who does not answer says nothing.
//! So neither one resolver that lies nor some that are away decide. The record has to be at the name
//! itself: where that is a CNAME, somebody else answers for it.

use std::fmt;
use std::net::SocketAddr;

use super::DomainToken;
use crate::names::shown;

/// What one resolver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard<T> {
    /// Which.
    pub resolver: SocketAddr,
    /// What.
    pub answer: T,
}

/// What a resolver says of a TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxtAnswer {
    /// There are records, with these texts; cut where they are long, and no more than some.
    Texts(Vec<String>),
    /// The name is a CNAME to another one.
    Alias(String),
    /// There is none.
    Nothing,
    /// It could not say.
    Failed(String),
}

impl fmt::Display for TxtAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Texts(texts) => {
                let texts: Vec<String> = texts.iter().map(|text| shown_token(text)).collect();
                write!(f, "TXT {}", texts.join(", "))
            }
            Self::Alias(to) => write!(f, "a CNAME to {}", shown(to)),
            Self::Nothing => f.write_str("no TXT record"),
            Self::Failed(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// A text in a message: long enough for a token to be seen whole.
fn shown_token(text: &str) -> String {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        format!("\"{text}\"")
    } else {
        shown(text)
    }
}

/// What the answers come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The record is there.
    Proven,
    /// It is not, or says something else.
    Absent,
    /// Some have it and some do not.
    Divided,
    /// Too few could say.
    Unheard,
}

/// A verdict, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// What was found, what was wanted, and at which resolvers.
    pub why: String,
}

/// Decides by what was heard about the record named `record`.
#[must_use]
pub fn judge(record: &str, token: &DomainToken, heard: &[Heard<TxtAnswer>]) -> Judged {
    let is_it = |text: &String| text == token.as_str();
    let (mut with, mut without, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for one in heard {
        match &one.answer {
            TxtAnswer::Texts(texts) if texts.iter().any(is_it) => with.push(one),
            TxtAnswer::Texts(_) | TxtAnswer::Alias(_) | TxtAnswer::Nothing => without.push(one),
            TxtAnswer::Failed(_) => silent.push(one),
        }
    }
    let most = |some: &[&Heard<TxtAnswer>]| some.len() * 2 > heard.len();
    let wanted = format!("wanted: a TXT record at {record} that says \"{token}\"");
    let (verdict, why) = if most(&with) {
        (Verdict::Proven, format!("the TXT record at {record} is there ({})", places(&with)))
    } else if with.is_empty() && most(&without) {
        let alias = without.iter().any(|one| matches!(one.answer, TxtAnswer::Alias(_)));
        let hint = if alias {
            ". The record has to be at that name itself: who answers for another one proves nothing"
        } else {
            ""
        };
        (Verdict::Absent, format!("{wanted}; found: {}{hint}", found(&without)))
    } else if with.is_empty() {
        let why = format!(
            "{} of {} resolvers could not say: {}. More than half have to; which are asked is set \
             with `hythe domain settings --resolver`. {wanted}{}",
            silent.len(),
            heard.len(),
            found(&silent),
            if without.is_empty() {
                String::new()
            } else {
                format!("; found: {}", found(&without))
            },
        );
        (Verdict::Unheard, why)
    } else {
        let why = format!(
            "the TXT record at {record} is not everywhere yet: {} of {} resolvers have it ({}), \
             and more than half have to; the others: {}. What is new takes its time to spread, at \
             most as long as the old record was valid",
            with.len(),
            heard.len(),
            places(&with),
            found(&[without, silent].concat()),
        );
        (Verdict::Divided, why)
    };
    Judged { verdict, why }
}

/// What the answer of a zone's own server comes to before any resolver is asked: none where resolvers are to be
/// asked. One that is asked before the record is there remembers that there is none, and tells everybody so for a
/// while (`remembered`: how many seconds at the most, where the zone says it). This never proves anything.
#[must_use]
pub fn not_yet(
    record: &str,
    token: &DomainToken,
    of_zone: &Heard<TxtAnswer>,
    remembered: Option<u32>,
) -> Option<Judged> {
    match &of_zone.answer {
        TxtAnswer::Texts(texts) if texts.iter().any(|text| text == token.as_str()) => return None,
        TxtAnswer::Failed(_) => return None,
        TxtAnswer::Texts(_) | TxtAnswer::Alias(_) | TxtAnswer::Nothing => {}
    }
    let Judged { verdict, why } = judge(record, token, std::slice::from_ref(of_zone));
    let lasting = match remembered {
        Some(most) => format!("up to {most} s"),
        None => "for as long as the zone says".to_owned(),
    };
    let why = format!(
        "{why}. That is the zone's own server; resolvers are asked once it has the record, since \
         one that is asked before, by whomever, remembers {lasting} what it found"
    );
    Some(Judged { verdict, why })
}

/// The same verdict of resolvers, and why some of them may not have what the zone's own server has.
#[must_use]
pub fn while_remembered(judged: Judged, server: SocketAddr) -> Judged {
    let Judged { verdict, why } = judged;
    let why = match verdict {
        Verdict::Proven | Verdict::Unheard => why,
        Verdict::Absent | Verdict::Divided => format!(
            "{why}. The zone's own server ({server}) has the record: a resolver that was asked \
             before it was set may remember for a while that it is not there, as long as the last \
             number of the zone's SOA record says, often an hour; it is looked at again by itself"
        ),
    };
    Judged { verdict, why }
}

fn places(heard: &[&Heard<TxtAnswer>]) -> String {
    let places: Vec<String> = heard.iter().map(|one| one.resolver.to_string()).collect();
    format!("at {}", places.join(", "))
}

/// What was found where, each answer once.
fn found(heard: &[&Heard<TxtAnswer>]) -> String {
    let mut answers: Vec<(&TxtAnswer, Vec<&Heard<TxtAnswer>>)> = Vec::new();
    for one in heard {
        match answers.iter_mut().find(|(answer, _)| *answer == &one.answer) {
            Some((_, places)) => places.push(one),
            None => answers.push((&one.answer, vec![one])),
        }
    }
    let each = answers.iter().map(|(answer, at)| format!("{answer} ({})", places(at)));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> DomainToken {
        DomainToken::new("a".repeat(64)).unwrap()
    }

    /// `t` has the token, `w` another text, `c` is a CNAME, `n` has nothing, `f` failed.
    fn heard(answers: &str) -> Vec<Heard<TxtAnswer>> {
        let answer = |kind| match kind {
            't' => TxtAnswer::Texts(vec!["spf".into(), "a".repeat(64)]),
            'w' => TxtAnswer::Texts(vec!["b".repeat(64)]),
            'q' => TxtAnswer::Texts(vec![format!("\"{}\"", "a".repeat(64))]),
            'c' => TxtAnswer::Alias("else.example".into()),
            'n' => TxtAnswer::Nothing,
            _failed => TxtAnswer::Failed("SERVFAIL".into()),
        };
        let one = |(at, kind)| Heard {
            resolver: SocketAddr::from(([192, 0, 2, u8::try_from(at).unwrap()], 53)),
            answer: answer(kind),
        };
        answers.chars().enumerate().map(one).collect()
    }

    #[test]
    fn more_than_half_of_all_that_were_asked_decide() {
        use Verdict::{Absent, Divided, Proven, Unheard};
        for (answers, verdict) in [
            ("t", Proven),
            ("ttt", Proven),
            ("ttn", Proven),
            ("ttf", Proven),
            ("tttf", Proven),
            ("tt", Proven),
            // One that lies, or knows more than the others, is not enough.
            ("tn", Divided),
            ("tnn", Divided),
            ("tff", Divided),
            ("ttff", Divided),
            ("ttnn", Divided),
            ("tnfw", Divided),
            ("n", Absent),
            ("w", Absent),
            ("q", Absent),
            ("c", Absent),
            ("nnf", Absent),
            ("nwc", Absent),
            ("nnff", Unheard),
            ("nff", Unheard),
            ("f", Unheard),
            ("ffff", Unheard),
            ("", Unheard),
        ] {
            let judged = judge("_hythe.shop.example", &token(), &heard(answers));
            assert_eq!(judged.verdict, verdict, "{answers}: {}", judged.why);
        }
    }

    #[test]
    fn the_reason_names_what_was_found_what_was_wanted_and_where() {
        let why = |answers| judge("_hythe.shop.example", &token(), &heard(answers)).why;
        let a = "a".repeat(64);
        assert_eq!(
            why("nnw"),
            format!(
                "wanted: a TXT record at _hythe.shop.example that says \"{a}\"; found: no TXT \
                 record (at 192.0.2.0:53, 192.0.2.1:53); TXT \"{}\" (at 192.0.2.2:53)",
                "b".repeat(64)
            )
        );
        assert!(why("c").contains("a CNAME to \"else.example\" (at 192.0.2.0:53). The record has"));
        assert!(why("tnf").contains("1 of 3 resolvers have it (at 192.0.2.0:53)"));
        assert!(why("ff").contains("2 of 2 resolvers could not say: no answer: SERVFAIL"));
        // What comes from elsewhere is quoted and cut.
        let hostile = vec![Heard {
            resolver: SocketAddr::from(([192, 0, 2, 1], 53)),
            answer: TxtAnswer::Texts(vec![format!("\u{1b}[2J\n{}", "x".repeat(10_000))]),
        }];
        let why = judge("_hythe.shop.example", &token(), &hostile).why;
        assert!(why.len() < 500 && !why.contains(['\u{1b}', '\n']), "{why}");
    }
    #[test]
    fn resolvers_are_asked_once_the_zone_has_the_record_or_cannot_say() {
        let judged = |answer: &str, remembered| {
            not_yet("_hythe.shop.example", &token(), &heard(answer)[0], remembered)
        };
        for answer in ["t", "f"] {
            assert_eq!(judged(answer, Some(60)), None, "{answer}");
        }
        for answer in ["n", "w", "c"] {
            let judged = judged(answer, Some(3_600)).unwrap();
            assert_eq!(judged.verdict, Verdict::Absent, "{answer}");
            assert!(judged.why.contains("remembers up to 3600 s"), "{}", judged.why);
        }
        assert!(judged("n", None).unwrap().why.contains("for as long as the zone says"));
        let server = SocketAddr::from(([192, 0, 2, 53], 53));
        for (answers, told) in [("ttt", false), ("tnn", true), ("nnn", true), ("fff", false)] {
            let judged = judge("_hythe.shop.example", &token(), &heard(answers));
            let with = while_remembered(judged.clone(), server);
            assert_eq!(with.verdict, judged.verdict);
            assert_eq!(with.why.contains("(192.0.2.53:53) has the record"), told, "{}", with.why);
        }
    }
}
