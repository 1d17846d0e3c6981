//! Which authorities may sign for a domain, as its CAA records say (RFC 8659), and whether one that is asked is
//! among them.
//!
//! This decides nothing, and hinders nothing: an authority looks for itself, and refuses only then. It is said
//! beforehand, with the record that is missing.

use std::fmt;

use super::DomainHost;
use crate::certificate::Authority;
use crate::names::shown;

/// Names that are looked at, the host's own the first.
const MOST_NAMES: usize = 12;
/// Bytes of a value and of a tag that are looked at.
const MOST_VALUE: usize = 256;
const MOST_TAG: usize = 32;
/// Records in a message.
const MOST_SHOWN: usize = 6;
/// Tags that authorities know: of RFC 8659 and 9495, and of the CA/Browser Forum.
const KNOWN: [&str; 7] =
    ["issue", "issuewild", "issuemail", "issuevmc", "iodef", "contactemail", "contactphone"];

/// A CAA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaRecord {
    critical: bool,
    tag: String,
    value: String,
}

impl CaaRecord {
    /// What of one can be shown: whoever has the zone wrote it.
    #[must_use]
    pub fn new(critical: bool, tag: &str, value: &[u8]) -> Self {
        let tag = tag.chars().filter(char::is_ascii_alphanumeric).take(MOST_TAG);
        let value = value.get(..value.len().min(MOST_VALUE)).unwrap_or_default();
        Self {
            critical,
            tag: tag.collect::<String>().to_ascii_lowercase(),
            value: String::from_utf8_lossy(value).into_owned(),
        }
    }

    /// Who may sign; empty where nobody may.
    fn issuer(&self) -> &str {
        self.value.split(';').next().unwrap_or_default().trim()
    }
}

impl fmt::Display for CaaRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.critical { 128 } else { 0 };
        write!(f, "{flags} {} {}", self.tag, shown(&self.value))
    }
}

/// What is known of a host's CAA records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaaAnswer {
    /// Its own, or those of the first name above it that has any.
    Found {
        /// The name that they are at.
        at: String,
        /// They.
        records: Vec<CaaRecord>,
    },
    /// Neither it nor a name above it has any.
    Nothing,
    /// Nobody could say.
    Failed(String),
}

/// That no authority that is asked may sign, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaForbids {
    /// What was found, and what to do.
    pub why: String,
    /// The record to set, where one helps.
    pub record: Option<CaaToSet>,
}

/// A CAA record to set, beside those that are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaaToSet {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
}

/// The names whose records count for a host, in turn: the first one that has any decides.
#[must_use]
pub fn caa_names(host: &DomainHost) -> Vec<&str> {
    let name = host.name().as_str();
    let above = name.match_indices('.').filter_map(|(at, _)| name.get(at + 1..));
    std::iter::once(name).chain(above).take(MOST_NAMES).collect()
}

/// Whether none of the authorities that are asked may sign for a host. None where one of them may, and where that
/// is not known: how an authority calls itself, it says in its own words.
#[must_use]
pub fn caa_forbids(
    host: &DomainHost,
    authorities: &[Authority],
    answer: &CaaAnswer,
) -> Option<CaaForbids> {
    let issuers: Option<Vec<&[&str]>> = authorities.iter().map(Authority::issuers).collect();
    let issuers = issuers?;
    let wanted = *issuers.first()?.first()?;
    let said = |why: String, record| Some(CaaForbids { why, record });
    let (at, records) = match answer {
        CaaAnswer::Nothing => return None,
        CaaAnswer::Failed(why) => {
            let why = format!(
                "whether the CAA records of {host} permit certificates by {wanted} could not be asked: \
                 {why}. An authority that cannot find out either signs nothing"
            );
            return said(why, None);
        }
        CaaAnswer::Found { at, records } => (at, records),
    };
    let strange = |record: &&CaaRecord| record.critical && !KNOWN.contains(&record.tag.as_str());
    if let Some(strange) = records.iter().find(strange) {
        let why = format!(
            "at {at} there is the CAA record {strange}, which is critical (128): an authority that does \
             not know what it says signs nothing for {host}. Remove it, or have it say 0"
        );
        return said(why, None);
    }
    let wild = host.is_wildcard() && records.iter().any(|record| record.tag == "issuewild");
    let tag = if wild { "issuewild" } else { "issue" };
    let of_tag: Vec<&CaaRecord> = records.iter().filter(|record| record.tag == tag).collect();
    let permits = |record: &&CaaRecord| {
        let mut all = issuers.iter().copied().flatten();
        all.any(|issuer| issuer.eq_ignore_ascii_case(record.issuer()))
    };
    if of_tag.is_empty() || of_tag.iter().any(permits) {
        return None;
    }
    let found: Vec<String> = of_tag.iter().take(MOST_SHOWN).map(ToString::to_string).collect();
    let value = format!("0 {tag} \"{wanted}\"");
    let why = format!(
        "the CAA records at {at} permit no certificate of {host} by {wanted}: {}. Set one more there: CAA \
         {value}",
        found.join(", ")
    );
    said(why, Some(CaaToSet { name: at.clone(), value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(records: &[(bool, &str, &str)]) -> CaaAnswer {
        let record = |(critical, tag, value): &(bool, &str, &str)| {
            CaaRecord::new(*critical, tag, value.as_bytes())
        };
        let records = records.iter().map(record).collect();
        CaaAnswer::Found { at: "shop.example".into(), records }
    }

    fn host(text: &str) -> DomainHost {
        DomainHost::new(text).unwrap()
    }

    fn asked(authorities: &[&str], of: &str, answer: &CaaAnswer) -> Option<CaaForbids> {
        let all: Vec<_> = authorities.iter().map(|text| Authority::new(*text).unwrap()).collect();
        caa_forbids(&host(of), &all, answer)
    }

    #[test]
    fn the_first_name_upwards_that_has_records_counts() {
        let names = host("a.b.shop.example");
        assert_eq!(
            caa_names(&names),
            ["a.b.shop.example", "b.shop.example", "shop.example", "example"]
        );
        assert_eq!(caa_names(&host("*.shop.example")), ["shop.example", "example"]);
        let deep = host(&format!("{}example", "a.".repeat(40)));
        assert_eq!(caa_names(&deep).len(), MOST_NAMES);
    }

    #[test]
    fn whether_one_that_is_asked_may_sign_is_what_the_records_say() {
        let (one, wild) = ("www.shop.example", "*.shop.example");
        let mine = "letsencrypt.org";
        for (of, records, forbidden) in [
            (one, &[(false, "issue", mine)][..], false),
            (one, &[], false),
            (one, &[(false, "ISSUE", " LetsEncrypt.org ; validationmethods=http-01")], false),
            (one, &[(false, "issue", "pki.goog"), (false, "issue", mine)], false),
            (one, &[(false, "issue", "pki.goog")], true),
            (one, &[(false, "issue", ";")], true),
            (one, &[(false, "issue", "")], true),
            (one, &[(false, "issue", "evil-letsencrypt.org")], true),
            // Where only wildcards are bound, hosts are not.
            (one, &[(false, "issuewild", ";")], false),
            (one, &[(false, "iodef", "mailto:a@b.example"), (true, "iodef", "x")], false),
            (wild, &[(false, "issue", mine)], false),
            (wild, &[(false, "issue", mine), (false, "issuewild", ";")], true),
            (wild, &[(false, "issue", ";"), (false, "issuewild", mine)], false),
            (wild, &[(false, "issue", "pki.goog")], true),
            (one, &[(true, "tbs", "unknown"), (false, "issue", mine)], true),
            (one, &[(false, "tbs", "unknown"), (false, "issue", mine)], false),
        ] {
            let answer = match records {
                [] => CaaAnswer::Nothing,
                records => found(records),
            };
            let told = asked(&["letsencrypt"], of, &answer);
            assert_eq!(told.is_some(), forbidden, "{of} {records:?}: {told:?}");
        }
    }

    #[test]
    fn the_record_that_is_missing_is_named() {
        let answer = found(&[(false, "issue", "pki.goog"), (false, "iodef", "x")]);
        let told = asked(&["letsencrypt"], "www.shop.example", &answer).unwrap();
        assert_eq!(
            told.why,
            "the CAA records at shop.example permit no certificate of www.shop.example by \
             letsencrypt.org: 0 issue \"pki.goog\". Set one more there: CAA 0 issue \
             \"letsencrypt.org\""
        );
        let record = told.record.unwrap();
        assert_eq!(
            (record.name.as_str(), record.value.as_str()),
            ("shop.example", "0 issue \"letsencrypt.org\"")
        );
        // One of several is enough, and of one that is not known nothing is said.
        assert_eq!(asked(&["letsencrypt", "google"], "www.shop.example", &answer), None);
        assert!(asked(&["letsencrypt", "zerossl"], "www.shop.example", &answer).is_some());
        let own = "https://ca.internal/directory";
        assert_eq!(asked(&[own], "www.shop.example", &answer), None);
        assert_eq!(asked(&["letsencrypt", own], "www.shop.example", &answer), None);
        assert_eq!(asked(&[], "www.shop.example", &answer), None);

        let failed = CaaAnswer::Failed("SERVFAIL, it could not find out itself".into());
        let told = asked(&["letsencrypt"], "www.shop.example", &failed).unwrap();
        assert!(told.why.contains("SERVFAIL") && told.record.is_none(), "{}", told.why);
        // What comes from elsewhere is quoted and cut.
        let hostile = CaaRecord::new(false, "issue\u{1b}\n", &[0x1b; 10_000]);
        let records = vec![hostile; 100];
        let answer = CaaAnswer::Found { at: "shop.example".into(), records };
        let why = asked(&["letsencrypt"], "www.shop.example", &answer).unwrap().why;
        assert!(why.len() < 3_000 && !why.contains(['\u{1b}', '\n']), "{why}");
    }
}
