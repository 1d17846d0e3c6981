//! The logins of one build: what BuildKit is told where a registry wants to know who asks for the
//! images that a Dockerfile begins with.
//!
//! It asks over the session of the build and uses the answer itself: no step of the build sees it,
//! and it gets into no layer and no configuration. Each registry is told its own login and nothing
//! of the others.

use std::sync::Arc;

use bollard::auth::DockerCredentials;
use bollard::moby::filesync::v1::auth_server::Auth;
use bollard::moby::filesync::v1::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse,
    GetTokenAuthorityRequest, GetTokenAuthorityResponse, VerifyTokenAuthorityRequest,
    VerifyTokenAuthorityResponse,
};
use hythe_core::ids::DeploymentId;
use hythe_core::installation::{RegistryHost, RegistryUser};
use hythe_core::wire::build::{SealedLogin, SealedLogins};
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

use crate::node::{EnvironmentError, Keys};

/// What registries say, in whatever case, where they want a login or another one.
const REFUSALS: [&str; 7] =
    ["401", "403", "authoriz", "authentication", "forbidden", "denied", "no basic auth"];

/// The registries that one build may log in to.
#[derive(Clone, Default)]
pub(crate) struct Logins {
    logins: Arc<Vec<Login>>,
}

struct Login {
    host: RegistryHost,
    user: RegistryUser,
    password: Zeroizing<String>,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logins(to {} registries)", self.logins.len())
    }
}

impl Logins {
    /// Opens the box of a build.
    pub(crate) fn open(
        sealed: &[u8],
        deployment: DeploymentId,
        keys: &Keys,
    ) -> Result<Self, EnvironmentError> {
        let bytes = keys.unseal(sealed)?;
        let content: SealedLogins =
            postcard::from_bytes(&bytes).map_err(|_| EnvironmentError::Sealed)?;
        if content.deployment != deployment {
            return Err(EnvironmentError::Foreign);
        }
        let login = |SealedLogin { host, user, password }| Login {
            host,
            user,
            password: Zeroizing::new(password),
        };
        Ok(Self { logins: Arc::new(content.logins.into_iter().map(login).collect()) })
    }

    /// What a registry is told, as the engine takes it for a single question.
    pub(crate) fn of(&self, host: &RegistryHost) -> Option<DockerCredentials> {
        let login = self.logins.iter().find(|login| login.host == *host)?;
        Some(DockerCredentials {
            username: Some(login.user.to_string()),
            password: Some(login.password.as_str().to_owned()),
            serveraddress: Some(host.to_string()),
            ..DockerCredentials::default()
        })
    }

    /// What is to be kept out of the log.
    pub(crate) fn passwords(&self) -> impl Iterator<Item = &str> + Clone {
        self.logins.iter().map(|login| login.password.as_str())
    }

    /// What to do about a base image that its registry does not give out; none where a login has
    /// nothing to do with it.
    pub(crate) fn advice(&self, image: &str, error: &str) -> Option<String> {
        let error = error.to_ascii_lowercase();
        if !REFUSALS.iter().any(|refusal| error.contains(refusal)) {
            return None;
        }
        let host = RegistryHost::of_image(image)?;
        let command = format!("hythe registry login {host} --username NAME --password-stdin");
        Some(match self.logins.iter().find(|login| login.host == host) {
            Some(Login { user, .. }) => format!(
                "{host} was told the login of {user} and did not take it for this image; give \
                 builds another one: {command}"
            ),
            None => format!("if it is private, give builds a login: {command}"),
        })
    }
}

#[tonic::async_trait]
impl Auth for Logins {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let asked = request.into_inner().host;
        let login = self.logins.iter().find(|login| login.host.is(&asked));
        // No login: it is asked as nobody in particular, as for public images.
        let answer = login.map_or_else(CredentialsResponse::default, |login| CredentialsResponse {
            username: login.user.to_string(),
            secret: login.password.as_str().to_owned(),
        });
        Ok(Response::new(answer))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(itself())
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(itself())
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(itself())
    }
}

/// By this status BuildKit knows that it has to fetch tokens itself.
fn itself() -> Status {
    Status::unavailable("the engine gets its tokens itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_registry_is_told_its_own_login() {
        let login = |host: &str, password: &str| Login {
            host: RegistryHost::new(host).unwrap(),
            user: RegistryUser::new("ci").unwrap(),
            password: Zeroizing::new(password.to_owned()),
        };
        let logins =
            Logins { logins: Arc::new(vec![login("docker.io", "hub"), login("ghcr.io", "git")]) };
        for (host, expected) in [
            ("registry-1.docker.io", "hub"),
            ("ghcr.io", "git"),
            ("ghcr.io.example", ""),
            ("ghcr.io:5000", ""),
            ("", ""),
        ] {
            let asked = Request::new(CredentialsRequest { host: host.into() });
            let answer = logins.credentials(asked).await.unwrap().into_inner();
            assert_eq!(answer.secret, expected, "{host}");
            assert_eq!(answer.username.is_empty(), expected.is_empty(), "{host}");
        }
        let why = "failed: 401 Unauthorized";
        let advice = |image: &str| logins.advice(image, why).unwrap();
        assert!(advice("ghcr.io/a/b:1").contains("the login of ci"), "{}", advice("ghcr.io/a/b:1"));
        let other = advice("r.example:5000/a:1");
        assert!(
            other.ends_with("hythe registry login r.example:5000 --username NAME --password-stdin")
        );
        assert_eq!(logins.advice("ghcr.io/a/b", "i/o timeout"), None);
        assert!(!format!("{logins:?} {}", advice("docker.io/a/b")).contains("hub "));
    }
}
