//! The values that one build may read, over its session: BuildKit mounts them into single steps,
//! and they get into no layer.
//!
//! They leave their sealed box for the time of the build, and this process only for the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use bollard::moby::buildkit::secrets::v1::secrets_server::Secrets as Service;
use bollard::moby::buildkit::secrets::v1::{GetSecretRequest, GetSecretResponse};
use hythe_core::ids::WorkerId;
use hythe_core::wire::build::BuildCommand;
use hythe_core::wire::worker::SealedEnvironment;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use super::access;
use super::registries::Logins;
use crate::git::Access;
use crate::mask::Mask;
use crate::node::{EnvironmentError, Keys};

/// The fewest bytes of a value that is kept out of the log: fewer are in most lines.
const LEAST_MASKED: usize = 4;

/// The values that one build may read.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    values: Arc<BTreeMap<String, Zeroizing<String>>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} values)", self.values.len())
    }
}

/// What a build's secrets come to.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    pub(crate) secrets: Secrets,
    /// The registries that it may log in to.
    pub(crate) logins: Logins,
    /// What its repository is reached with.
    pub(crate) access: Access,
    /// Keeps all of them out of the log.
    pub(crate) mask: Mask,
    /// What people should know about them, for the build's log.
    pub(crate) remarks: Vec<String>,
}

/// Whether a worker can open all that a command needs.
pub(crate) fn are_for(command: &BuildCommand, worker: WorkerId) -> bool {
    let secrets = command.spec.build.secrets.is_empty()
        || command.secrets.iter().any(|sealed| sealed.worker == worker);
    let logins = command.registries.is_empty()
        || command.registries.iter().any(|sealed| sealed.worker == worker);
    let access =
        command.access.is_empty() || command.access.iter().any(|sealed| sealed.worker == worker);
    secrets && logins && access
}

/// Opens the boxes that a command brings for the worker of these keys; none where it brings no
/// such.
pub(crate) fn open(
    command: &BuildCommand,
    worker: WorkerId,
    keys: &Keys,
) -> Option<Result<Opened, EnvironmentError>> {
    if !are_for(command, worker) {
        return None;
    }
    let none = SealedEnvironment::default();
    // Where the build may read nothing, there is nothing to be opened either.
    let wanted = !command.spec.build.secrets.is_empty();
    let sealed = command.secrets.iter().find(|sealed| wanted && sealed.worker == worker);
    let environment = sealed.map_or(&none, |sealed| &sealed.environment);
    let logins = command.registries.iter().find(|sealed| sealed.worker == worker);
    let logins = logins.map(|sealed| sealed.sealed.as_slice());
    let access = command.access.iter().find(|sealed| sealed.worker == worker);
    let access = access.map(|sealed| sealed.sealed.as_slice());
    Some(open_all(command, environment, logins, access, keys))
}

fn open_all(
    command: &BuildCommand,
    environment: &SealedEnvironment,
    logins: Option<&[u8]>,
    access: Option<&[u8]>,
    keys: &Keys,
) -> Result<Opened, EnvironmentError> {
    let access = access.map(|sealed| access::open(sealed, command.deployment, keys)).transpose()?;
    let access = access.unwrap_or_default().with_github(command.github.clone());
    let environment = keys.open_sealed(environment, command.deployment)?;
    let logins = logins.map(|sealed| Logins::open(sealed, command.deployment, keys)).transpose()?;
    let logins = logins.unwrap_or_default();
    let short = environment.variables().filter(|(_, value)| value.len() < LEAST_MASKED);
    let remarks = short.map(|(name, _)| {
        format!(
            "note: the value of {name} has fewer than {LEAST_MASKED} characters and cannot be \
             kept out of this log"
        )
    });
    let values = environment
        .variables()
        .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())));
    let hidden = environment.variables().map(|(_, value)| value).chain(logins.passwords());
    let hidden = hidden.chain(access.hidden());
    Ok(Opened {
        remarks: remarks.collect(),
        mask: Mask::of(hidden, LEAST_MASKED),
        secrets: Secrets { values: Arc::new(values.collect()) },
        logins: logins.clone(),
        access: access.clone(),
    })
}

#[tonic::async_trait]
impl Service for Secrets {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let name = request.into_inner().id;
        match self.values.get(&name) {
            Some(value) => Ok(Response::new(GetSecretResponse { data: value.as_bytes().to_vec() })),
            // BuildKit goes on without it where the Dockerfile does not insist on it.
            None => Err(Status::not_found("this build may not read such a secret")),
        }
    }
}
