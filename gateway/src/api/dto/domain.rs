//! Custom domains of apps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// What requests for a domain get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainMode {
    /// The app; and those that redirect lead here. One domain of an app.
    Main,
    /// 308 to the main domain, with path and query; the app, while no main one is proven.
    Redirect,
    /// The app.
    Serve,
}

/// A domain to add.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"host": "shop.example.com"}))]
pub struct AddDomain {
    /// A host, or `*.` and one for every host right below it. Names that are not ASCII are taken as
    /// people write them.
    #[schema(max_length = 1024, example = "shop.example.com")]
    pub host: String,
    /// What its requests get; where nothing is said, the first one is the main one and the others
    /// redirect there, while a wildcard serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DomainMode>,
}

/// A change of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateDomain {
    /// What its requests get.
    pub mode: DomainMode,
}

/// Whether a domain is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainState {
    /// Not yet: it leads nowhere.
    Pending,
    /// It is, and leads to the app.
    Verified,
    /// Its record is gone; it leads to the app until `trusted_until`.
    Failing,
    /// Its record was gone for too long: it leads nowhere, and is free for others.
    Lost,
}

impl DomainState {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Failing => "failing",
            Self::Lost => "lost",
        }
    }
}

/// A DNS record to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsRecord {
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "TXT")]
    pub kind: String,
    /// Its name.
    #[schema(example = "_hythe.shop.example.com")]
    pub name: String,
    /// What it says.
    pub value: String,
}

/// A custom domain of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Domain {
    /// The host, as DNS knows it.
    #[schema(example = "shop.example.com")]
    pub host: String,
    /// As people write it, where that is another text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unicode: Option<String>,
    /// What its requests get.
    pub mode: DomainMode,
    /// Where its requests are sent on to at the moment, where they are.
    pub redirects_to: Option<String>,
    /// Whether it is proven.
    pub state: DomainState,
    /// What there is to know and to do, in words.
    pub detail: String,
    /// When it was added.
    pub added_at: Time,
    /// When it was verified, where it is.
    pub verified_at: Option<Time>,
    /// Since when its record is gone, where it is.
    pub failing_since: Option<Time>,
    /// Until when it leads to the app nevertheless.
    pub trusted_until: Option<Time>,
    /// The record that proves it. It has to stay: it is looked for again and again.
    pub proof: DnsRecord,
    /// The records one of which leads it here; of several addresses, all. Empty where nobody said where
    /// edges are reached.
    pub target: Vec<DnsRecord>,
    /// The last look at it since the server started; none before the first.
    pub check: Option<DomainCheck>,
    /// The certificate that serves it, or how it stands with the one that is wanted; none where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<super::Certificate>,
}

/// Whether a domain's record is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainVerdict {
    /// It is, at more than half of the resolvers.
    Proven,
    /// It is not, or says something else.
    Absent,
    /// At some it is, and not at others.
    Divided,
    /// Too few resolvers could say.
    Unheard,
}

/// Where a domain leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DomainLeads {
    /// Here.
    Here,
    /// Only some of its addresses are of here.
    Partly,
    /// To somebody else.
    Elsewhere,
    /// Into a content delivery network that stands in front.
    Proxied,
    /// It has no record.
    Nowhere,
    /// Resolvers say different things.
    Divided,
    /// No resolver could say.
    Unheard,
    /// Nobody said where it is to lead.
    Unsaid,
}

/// A look at a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DomainCheck {
    /// When it was.
    pub at: Time,
    /// Whether the record is there.
    pub verdict: DomainVerdict,
    /// What was found, what was wanted, and at which resolvers.
    pub detail: String,
    /// Why the domain is not this app's although it is proven, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// Where it leads.
    pub leads: DomainLeads,
    /// The network that stands in front, where one does: certificates can fail behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Cloudflare")]
    pub network: Option<String>,
    /// What was found of that, what was wanted, and at which resolvers.
    pub leads_detail: String,
    /// That no authority that is asked for certificates may sign for it, where its CAA records say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caa: Option<DomainCaa>,
    /// What each resolver said.
    pub resolvers: Vec<ResolverAnswer>,
}

/// That no authority that is asked for certificates may sign for a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DomainCaa {
    /// What was found, and what to do.
    pub detail: String,
    /// The record to set, beside those that are there; none where that does not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<DnsRecord>,
}

/// What one resolver said of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolverAnswer {
    /// Which.
    #[schema(example = "1.1.1.1:53")]
    pub resolver: String,
    /// Of its record.
    pub proof: String,
    /// Of where it leads.
    pub leads: String,
}

/// The custom domains of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DomainList {
    /// The domains, by host.
    pub items: Vec<Domain>,
}

/// How all domains are proven, and where they are to lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DomainSettings {
    /// The resolvers that are asked.
    #[schema(example = json!(["1.1.1.1:53", "8.8.8.8:53", "9.9.9.9:53"]))]
    pub resolvers: Vec<String>,
    /// Whether these are the usual ones: the machine's own and well-known ones.
    pub usual_resolvers: bool,
    /// The host that a CNAME is to name; none for each app's own under the base domain.
    pub target: Option<String>,
    /// The addresses that A and AAAA records are to have; none for those of that host.
    pub addresses: Vec<String>,
}

/// A change of those: only what is given changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"target": "edge.example.com", "resolvers": ["1.1.1.1", "9.9.9.9:53"]}))]
pub struct UpdateDomainSettings {
    /// At most 8 resolvers, each an address, with a port where that is not 53; none for the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 8)]
    pub resolvers: Option<Vec<String>>,
    /// The host that a CNAME is to name; `null` for each app's own.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::given")]
    #[schema(value_type = Option<String>)]
    pub target: Option<Option<String>>,
    /// At most 16 addresses under which edges are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    pub addresses: Option<Vec<String>>,
}
