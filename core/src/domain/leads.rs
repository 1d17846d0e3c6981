//! Where a domain leads: here, elsewhere, nowhere, or into a network that stands in front.
//!
//! This proves nothing and decides nothing: a domain is routed once it is proven, so that it can be
//! moved here without a gap. It says what is still to be set.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::cdn;
use super::verdict::Heard;
use crate::names::shown;

/// What a resolver says of where a host leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadAnswer {
    /// There.
    Found {
        /// The names that it is a CNAME to, in turn: lower case, without a dot at the end.
        aliases: Vec<String>,
        /// The addresses that come of it.
        addresses: Vec<IpAddr>,
    },
    /// It has neither CNAME nor address.
    Nothing,
    /// The resolver could not say.
    Failed(String),
}

impl fmt::Display for LeadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { aliases, addresses } => {
                let aliases = aliases.iter().map(|name| format!("CNAME {}", shown(name)));
                let addresses = addresses.iter().map(|address| match address {
                    IpAddr::V4(address) => format!("A {address}"),
                    IpAddr::V6(address) => format!("AAAA {address}"),
                });
                f.write_str(&aliases.chain(addresses).collect::<Vec<_>>().join(", "))
            }
            Self::Nothing => f.write_str("neither CNAME nor A nor AAAA record"),
            Self::Failed(why) => write!(f, "no answer: {why}"),
        }
    }
}

/// Where a domain is to lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadTarget {
    /// The host that a CNAME is to name.
    pub name: Option<String>,
    /// The addresses that A and AAAA records are to have, as far as they are known.
    pub addresses: BTreeSet<IpAddr>,
}

impl fmt::Display for LeadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_none() && self.addresses.is_empty() {
            return f.write_str(
                "a record that leads to an edge (where edges are reached, `hythe domain settings \
                 --target HOST` or `--address IP` says)",
            );
        }
        let name = self.name.iter().map(|name| format!("CNAME {name}"));
        let addresses = self.addresses.iter().map(|address| match address {
            IpAddr::V4(address) => format!("A {address}"),
            IpAddr::V6(address) => format!("AAAA {address}"),
        });
        f.write_str(&name.chain(addresses).collect::<Vec<_>>().join(" or "))
    }
}

/// Where it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    /// Here.
    Here,
    /// Only some of its addresses are of here.
    Partly,
    /// To somebody else.
    Elsewhere,
    /// Into a content delivery network.
    Proxied(&'static str),
    /// It has no record.
    Nowhere,
    /// Resolvers say different things.
    Divided,
    /// Too few resolvers could say.
    Unheard,
    /// Nobody said where it is to lead.
    Unsaid,
}

/// Where it leads, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Led {
    /// Where.
    pub leads: Leads,
    /// What was found, what was wanted, and at which resolvers.
    pub why: String,
}

/// Decides by what was heard about `host`: what more than half of those say that could.
#[must_use]
pub fn led(host: &str, target: &LeadTarget, heard: &[Heard<LeadAnswer>]) -> Led {
    let said = heard.iter().filter_map(|one| Some((one, of(&one.answer, target)?)));
    let said: Vec<(&Heard<LeadAnswer>, Leads)> = said.collect();
    if said.is_empty() {
        let why = format!("where {host} leads could not be asked: {}", all(heard));
        return Led { leads: Leads::Unheard, why };
    }
    let count = |leads: Leads| said.iter().filter(|(_, other)| *other == leads).count();
    let winner = said.iter().find(|(_, leads)| count(*leads) * 2 > said.len());
    let leads = winner.map_or(Leads::Divided, |(_, leads)| *leads);
    let found = winner.map_or_else(|| all(heard), |(one, _)| at(one));
    let why = match leads {
        Leads::Here => format!("{host} leads here: {found}"),
        Leads::Partly => format!(
            "{host} leads here and elsewhere: {found}; wanted: only {target}. Who is sent elsewhere \
             does not get the app"
        ),
        Leads::Elsewhere => format!("{host} leads elsewhere: {found}; wanted: {target}"),
        Leads::Proxied(network) => format!(
            "{host} leads to {network}, which stands in front ({found}). Certificates that are proven \
             by HTTP-01 or TLS-ALPN-01 can fail behind it: switch its proxy off for this host (\"DNS \
             only\"), or have {network} show its own certificate; wanted without it: {target}"
        ),
        Leads::Nowhere => format!("{host} leads nowhere: {found}; wanted: {target}"),
        Leads::Divided => {
            format!(
                "{host} does not lead to the same place everywhere yet: {found}; wanted: {target}"
            )
        }
        Leads::Unheard => format!("where {host} leads could not be asked: {found}"),
        Leads::Unsaid => format!(
            "{host}: {found}. Whether that is here is not known: say where edges are reached, `hythe \
             domain settings --target HOST` or `--address IP`"
        ),
    };
    Led { leads, why }
}

fn at(one: &Heard<LeadAnswer>) -> String {
    format!("{} (at {})", one.answer, one.resolver)
}

fn all(heard: &[Heard<LeadAnswer>]) -> String {
    heard.iter().map(at).collect::<Vec<_>>().join("; ")
}

/// What one answer says; none where it says nothing.
fn of(answer: &LeadAnswer, target: &LeadTarget) -> Option<Leads> {
    let (aliases, addresses) = match answer {
        LeadAnswer::Failed(_) => return None,
        LeadAnswer::Nothing => return Some(Leads::Nowhere),
        LeadAnswer::Found { aliases, addresses } => (aliases, addresses),
    };
    let ours = |address: &&IpAddr| target.addresses.contains(&address.to_canonical());
    let is_ours = |name: &String| target.name.as_ref() == Some(name);
    let count = addresses.iter().filter(ours).count();
    if aliases.iter().any(is_ours) || (count > 0 && count == addresses.len()) {
        return Some(Leads::Here);
    }
    let network = aliases.iter().find_map(|name| cdn::of_name(name));
    let network = network.or_else(|| addresses.iter().find_map(|ip| cdn::of_address(*ip)));
    if let Some(network) = network {
        return Some(Leads::Proxied(network));
    }
    if target.name.is_none() && target.addresses.is_empty() {
        return Some(Leads::Unsaid);
    }
    if addresses.is_empty() {
        // A name that leads nowhere further.
        return Some(Leads::Nowhere);
    }
    Some(if count > 0 { Leads::Partly } else { Leads::Elsewhere })
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn found(aliases: &[&str], addresses: &[&str]) -> LeadAnswer {
        LeadAnswer::Found {
            aliases: aliases.iter().map(|name| (*name).to_owned()).collect(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        }
    }

    fn heard(answers: Vec<LeadAnswer>) -> Vec<Heard<LeadAnswer>> {
        let one = |(at, answer)| {
            let resolver = SocketAddr::from(([192, 0, 2, u8::try_from(at).unwrap()], 53));
            Heard { resolver, answer }
        };
        answers.into_iter().enumerate().map(one).collect()
    }

    #[test]
    fn a_domain_leads_here_by_name_or_by_addresses() {
        let target = LeadTarget {
            name: Some("shop.apps.example".into()),
            addresses: ["203.0.113.7", "2001:db8::7"].map(|ip| ip.parse().unwrap()).into(),
        };
        let failed = || LeadAnswer::Failed("SERVFAIL".into());
        for (answers, leads) in [
            (vec![found(&["shop.apps.example"], &["203.0.113.7"])], Leads::Here),
            (vec![found(&["a.example", "shop.apps.example"], &[])], Leads::Here),
            (vec![found(&[], &["203.0.113.7", "2001:db8::7"])], Leads::Here),
            (vec![found(&[], &["203.0.113.7", "198.51.100.1"])], Leads::Partly),
            (vec![found(&[], &["198.51.100.1"])], Leads::Elsewhere),
            (vec![found(&["old.example"], &[])], Leads::Nowhere),
            (vec![found(&[], &["104.16.1.1"])], Leads::Proxied("Cloudflare")),
            (
                vec![found(&["a.cloudfront.net"], &["198.51.100.1"])],
                Leads::Proxied("Amazon CloudFront"),
            ),
            (vec![LeadAnswer::Nothing, failed()], Leads::Nowhere),
            (vec![failed(), failed()], Leads::Unheard),
            (vec![], Leads::Unheard),
            (vec![LeadAnswer::Nothing, found(&[], &["203.0.113.7"])], Leads::Divided),
        ] {
            let led = led("shop.example", &target, &heard(answers));
            assert_eq!(led.leads, leads, "{}", led.why);
        }
        let unsaid = led(
            "shop.example",
            &LeadTarget::default(),
            &heard(vec![found(&[], &["198.51.100.1"])]),
        );
        assert_eq!(unsaid.leads, Leads::Unsaid);
        let nowhere =
            led("shop.example", &LeadTarget::default(), &heard(vec![LeadAnswer::Nothing]));
        assert_eq!(nowhere.leads, Leads::Nowhere);
        assert!(nowhere.why.contains("wanted: a record that leads to an edge"), "{}", nowhere.why);
    }

    #[test]
    fn the_reason_names_what_was_found_and_what_was_wanted() {
        let target = LeadTarget {
            name: Some("shop.apps.example".into()),
            addresses: [IpAddr::from([203, 0, 113, 7])].into(),
        };
        let led = led("shop.example", &target, &heard(vec![found(&["o.example"], &["192.0.2.9"])]));
        assert_eq!(
            led.why,
            "shop.example leads elsewhere: CNAME \"o.example\", A 192.0.2.9 (at 192.0.2.0:53); wanted: \
             CNAME shop.apps.example or A 203.0.113.7"
        );
    }
}
