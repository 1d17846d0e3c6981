//! Every id is a type of its own over a UUID, so that one cannot be taken for another.
//!
//! Ids are minted at the edges (UUID version 7, so that they sort by time) and arrive here as data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Wraps a UUID minted elsewhere.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self)
            }
        }
    };
}

id!(
    /// An app.
    AppId
);
id!(
    /// One attempt to bring one version of an app live.
    DeploymentId
);
id!(
    /// Apps that belong together.
    ProjectId
);
id!(
    /// A machine that runs replicas and builds.
    WorkerId
);
id!(
    /// An edge: a process that serves traffic.
    EdgeId
);
id!(
    /// A webhook of a repository.
    HookId
);
id!(
    /// What ties everything together that one request set off.
    CorrelationId
);
id!(
    /// One message between roles; receivers drop a repeated one.
    MessageId
);
id!(
    /// A command that is run once.
    RunId
);
id!(
    /// A certificate, through all of its renewals.
    CertificateId
);
id!(
    /// Something that a certificate authority asks to see at a host.
    ChallengeId
);
id!(
    /// One installation of Hythe: keeps two on the same engine apart.
    InstallationId
);

impl ProjectId {
    /// The project that is always there: where apps are that were put in no other.
    pub const DEFAULT: Self = Self(Uuid::nil());
}

impl Default for ProjectId {
    fn default() -> Self {
        Self::DEFAULT
    }
}
