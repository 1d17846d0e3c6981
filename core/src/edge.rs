//! How edges serve an app: what people set of it, and what of that a host's route says.
//!
//! Invariants: it takes effect at once, without a deployment; no password and no hash of one is in
//! here or in an event, only the version under which the hash lies among the app's secrets; an event
//! lists what is other than usual, so a setting that comes later changes no event that was written.

mod listed;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;
use crate::mount::{self, Mounts};
use crate::names::{BadText, bad, text};
use crate::network::Network;
use crate::rejection::Rejection;
use crate::time::Millis;

pub use self::listed::EdgeSetting;
pub use self::route::RouteEdge;

text!(
    /// Who may see an app: a user name for HTTP's basic authentication. 1 to 64 letters, digits and
    /// `.`, `_`, `-`, `@`, `+`.
    EdgeUser, "a user name", |text| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b"._-@+".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(fine) {
            Ok(())
        } else {
            Err("is 1 to 64 letters, digits and . _ - @ +".to_owned())
        }
    }
);

/// How edges serve an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeSettings {
    /// Whether everybody gets a page that says that the app is being worked on.
    pub maintenance: bool,
    /// Whether a client stays with the replica that answered it first.
    pub sticky: bool,
    /// Whether hosts with `www.` lead to those without, or the other way round.
    pub www: Www,
    /// How many requests one client address may make.
    pub rate: Option<Rate>,
    /// Who may see it, with the version of each password's hash; everybody where nobody is named.
    pub users: BTreeMap<EdgeUser, u64>,
    /// From where it may be seen; from everywhere where nothing is named.
    pub allow: BTreeSet<Network>,
    /// For what `users` and `allow` hold.
    pub guards: Guards,
    /// How long requests wait for an app that is starting, before they get a page that says so.
    pub wait: Millis,
    /// The most bytes that a request's body may have.
    pub body_bytes: Option<u64>,
    /// How long an answer may take to begin.
    pub answer_within: Option<Millis>,
    /// Whether answers that the app left as they are get compressed.
    pub compress: bool,
    /// What the app speaks.
    pub protocol: Protocol,
    /// What becomes of requests that come without TLS.
    pub https: Https,
    /// Whether browsers are told to come by https from now on, and for how long.
    pub hsts: Option<Hsts>,
    /// Whether what each request came to is told in the app's access log.
    pub access_log: bool,
    /// Where it is besides its own hosts.
    pub mounts: Mounts,
    /// After how long without a request its replicas are stopped, until the next one; never where nothing is
    /// said.
    pub sleep_after: Option<Millis>,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            maintenance: false,
            sticky: false,
            www: Www::Both,
            rate: None,
            users: BTreeMap::new(),
            allow: BTreeSet::new(),
            guards: Guards::All,
            wait: Millis(0),
            body_bytes: None,
            answer_within: None,
            compress: true,
            protocol: Protocol::Http1,
            https: Https::Redirect,
            hsts: None,
            access_log: true,
            mounts: Mounts::new(),
            sleep_after: None,
        }
    }
}

/// What becomes of hosts that differ by `www.` only. Append-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Www {
    /// Both serve.
    #[default]
    Both,
    /// The one with it leads to the one without.
    Remove,
    /// The one without it leads to the one with.
    Add,
}

/// How many requests one client address may make. Over IPv6 the address is its /64 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// So many a second in the long run.
    pub per_second: u32,
    /// So many at once.
    pub burst: u32,
}

/// For what the list of users and the list of addresses hold. Append-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guards {
    /// The app and its previews.
    #[default]
    All,
    /// Its previews only.
    Previews,
}

/// What an app speaks. Append-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, as gRPC servers do.
    H2c,
}

/// What becomes of requests that come without TLS. Append-only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Https {
    /// They are sent on to https wherever the edge has a certificate for the host, and served elsewhere.
    #[default]
    Redirect,
    /// They are served as those over TLS are.
    Both,
}

/// What `Strict-Transport-Security` says (RFC 6797). Browsers keep to it for as long as it says, whatever
/// is set meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hsts {
    /// For so many seconds; 0 has browsers forget it.
    pub max_age: u32,
    /// For all hosts below this one, too.
    #[serde(default)]
    pub subdomains: bool,
    /// Browsers may have it built in.
    #[serde(default)]
    pub preload: bool,
}

impl Hsts {
    fn check(self) -> Result<(), Rejection> {
        let most = limits::EDGE_HSTS_MOST;
        if self.max_age > most {
            let why = format!("is {most} seconds at the most; got {}", self.max_age);
            return Err(Rejection::invalid("hsts.max_age", why));
        }
        let least = limits::EDGE_HSTS_PRELOAD_LEAST;
        if self.preload && (self.max_age < least || !self.subdomains) {
            let why = format!("needs subdomains and a max_age of {least} seconds at the least");
            return Err(Rejection::invalid("hsts.preload", why));
        }
        Ok(())
    }
}

impl fmt::Display for Hsts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max-age={}", self.max_age)?;
        if self.subdomains {
            f.write_str("; includeSubDomains")?;
        }
        if self.preload {
            f.write_str("; preload")?;
        }
        Ok(())
    }
}

impl EdgeSettings {
    /// The name under which the hash of a user's password lies among the app's secrets: no variable
    /// can have it.
    #[must_use]
    pub fn secret(user: &EdgeUser) -> String {
        format!("edge/{user}")
    }

    /// Whether they are within their bounds.
    ///
    /// # Errors
    /// [`Rejection`] names the setting.
    pub fn check(&self) -> Result<(), Rejection> {
        mount::check(&self.mounts)?;
        let most = limits::MOST_EDGE_USERS;
        if self.users.len() > most {
            return Err(Rejection::invalid("users", format!("are at most {most}")));
        }
        let most = limits::MOST_EDGE_NETWORKS;
        if self.allow.len() > most {
            return Err(Rejection::invalid("allow", format!("are at most {most} ranges")));
        }
        let most = limits::MOST_EDGE_RATE;
        if let Some(Rate { per_second, burst }) = self.rate {
            for (field, value) in [("rate.per_second", per_second), ("rate.burst", burst)] {
                if value == 0 || value > most {
                    return Err(Rejection::invalid(field, format!("is 1 to {most}; got {value}")));
                }
            }
        }
        if self.body_bytes == Some(0) {
            return Err(Rejection::invalid("body_bytes", "is 1 at the least"));
        }
        let most = limits::EDGE_WAIT_MOST;
        if self.wait > most {
            return Err(Rejection::invalid(
                "wait",
                format!("is {most} at the most; got {}", self.wait),
            ));
        }
        if let Some(hsts) = self.hsts {
            hsts.check()?;
        }
        let (least, most) = (limits::EDGE_ANSWER_LEAST, limits::EDGE_ANSWER_MOST);
        within("answer_within", self.answer_within, least, most)?;
        let (least, most) = (limits::EDGE_SLEEP_LEAST, limits::EDGE_SLEEP_MOST);
        within("sleep_after", self.sleep_after, least, most)
    }

    /// Without users and addresses.
    #[must_use]
    fn unguarded(mut self) -> Self {
        self.users.clear();
        self.allow.clear();
        self
    }
}

fn within(field: &str, span: Option<Millis>, least: Millis, most: Millis) -> Result<(), Rejection> {
    match span {
        Some(span) if span < least || span > most => {
            Err(Rejection::invalid(field, format!("is {least} to {most}; got {span}")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mount::SeenPath;
    use crate::names::HostName;
    use crate::testing::app_id;

    fn all() -> EdgeSettings {
        EdgeSettings {
            maintenance: true,
            sticky: true,
            www: Www::Remove,
            rate: Some(Rate { per_second: 10, burst: 20 }),
            users: BTreeMap::from([(EdgeUser::new("ada").unwrap(), 7)]),
            allow: BTreeSet::from(["10.0.0.0/8".parse().unwrap()]),
            guards: Guards::Previews,
            wait: Millis(1_000),
            body_bytes: Some(1),
            answer_within: Some(Millis(2_000)),
            compress: false,
            protocol: Protocol::H2c,
            https: Https::Both,
            hsts: Some(Hsts { max_age: 31_536_000, subdomains: true, preload: true }),
            access_log: false,
            mounts: [("b.example/api".parse().unwrap(), SeenPath::Stripped)].into(),
            sleep_after: Some(limits::EDGE_SLEEP_LEAST),
        }
    }

    #[test]
    fn what_is_listed_comes_back_and_the_usual_is_not_listed() {
        assert_eq!(EdgeSettings::default().listed(), vec![]);
        assert_eq!(EdgeSettings::of(&[]), EdgeSettings::default());
        assert_eq!(all().listed().len(), 17, "each setting is listed");
        assert_eq!(EdgeSettings::of(&all().listed()), all());
        let bytes = postcard::to_allocvec(&all().listed()).unwrap();
        let back: Vec<EdgeSetting> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(EdgeSettings::of(&back), all());
        let json = serde_json::to_string(&all()).unwrap();
        assert_eq!(serde_json::from_str::<EdgeSettings>(&json).unwrap(), all());
        assert_eq!(serde_json::from_str::<EdgeSettings>("{}").unwrap(), EdgeSettings::default());
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        type Change = fn(&mut EdgeSettings);
        let rows: [(&str, Change); 11] = [
            ("rate.per_second", |s| s.rate = Some(Rate { per_second: 0, burst: 1 })),
            ("rate.burst", |s| s.rate = Some(Rate { per_second: 1, burst: 0 })),
            ("body_bytes", |s| s.body_bytes = Some(0)),
            ("wait", |s| s.wait = Millis(limits::EDGE_WAIT_MOST.0 + 1)),
            ("answer_within", |s| s.answer_within = Some(Millis(1))),
            ("sleep_after", |s| s.sleep_after = Some(Millis(limits::EDGE_SLEEP_LEAST.0 - 1))),
            ("sleep_after", |s| s.sleep_after = Some(Millis(limits::EDGE_SLEEP_MOST.0 + 1))),
            ("hsts.max_age", |s| {
                s.hsts = Some(Hsts { max_age: u32::MAX, subdomains: false, preload: false });
            }),
            ("hsts.preload", |s| {
                s.hsts = Some(Hsts { max_age: 31_536_000, subdomains: false, preload: true });
            }),
            ("allow", |s| {
                s.allow = (0..300)
                    .map(|n| format!("10.0.{}.{}", n / 256, n % 256).parse().unwrap())
                    .collect();
            }),
            ("users", |s| {
                s.users = (0..100).map(|n| (EdgeUser::new(format!("u{n}")).unwrap(), n)).collect();
            }),
        ];
        assert_eq!(all().check(), Ok(()));
        for (field, change) in rows {
            let mut settings = all();
            change(&mut settings);
            assert!(settings.check().unwrap_err().to_string().starts_with(field), "{field}");
        }
    }

    #[test]
    fn a_preview_is_guarded_by_its_app_whatever_it_says_itself() {
        let guard = |guards| EdgeSettings {
            users: all().users,
            allow: all().allow,
            guards,
            ..EdgeSettings::default()
        };
        let usual = EdgeSettings::default();
        // Of itself.
        assert_eq!(RouteEdge::of(app_id(1), &usual, None), None);
        let itself = RouteEdge::of(app_id(1), &guard(Guards::All), None).unwrap();
        assert_eq!((itself.users_of, itself.settings.users), (app_id(1), all().users));
        assert_eq!(RouteEdge::of(app_id(1), &guard(Guards::Previews), None), None);
        // Of its previews.
        for guards in [Guards::All, Guards::Previews] {
            let theirs = guard(guards);
            let open = EdgeSettings { guards: Guards::Previews, ..EdgeSettings::default() };
            for own in [&usual, &open] {
                let preview = RouteEdge::of(app_id(2), own, Some((app_id(1), &theirs))).unwrap();
                assert_eq!(preview.users_of, app_id(1));
                assert_eq!(preview.settings.users, all().users);
                assert_eq!(preview.settings.allow, all().allow);
            }
        }
        let own = guard(Guards::All);
        let preview = RouteEdge::of(app_id(2), &own, Some((app_id(1), &usual))).unwrap();
        assert_eq!((preview.users_of, preview.settings.users), (app_id(2), all().users));
    }

    #[test]
    fn a_host_leads_elsewhere_only_where_the_app_has_the_other_one() {
        let host = |text: &str| HostName::new(text).unwrap();
        let both = BTreeSet::from([host("a.example"), host("www.a.example"), host("b.example")]);
        for (www, from, to) in [
            (Www::Both, "www.a.example", None),
            (Www::Remove, "www.a.example", Some("a.example")),
            (Www::Remove, "a.example", None),
            (Www::Add, "a.example", Some("www.a.example")),
            (Www::Add, "www.a.example", None),
            (Www::Add, "b.example", None),
        ] {
            assert_eq!(RouteEdge::redirected(www, &host(from), &both), to.map(host), "{from}");
        }
    }
}
