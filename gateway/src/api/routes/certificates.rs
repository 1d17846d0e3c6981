//! Certificates: list, show, add, order, remove; how they are come by, and the own authority.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hythe_actors::certificates::{inspect, new_fleet_key};
use hythe_core::certificate::{self as core, Authority, CertificateName, CertificateNames};
use hythe_core::ids::CertificateId;
use hythe_core::installation::{CertificateCommand, InstallationCommand};
use hythe_store::{Secret, SecretChange};
use uuid::Uuid;

use crate::api::ApiState;
use crate::api::doc::{ReadProblems, WriteProblems};
use crate::api::dto::{
    AddCertificate, Certificate, CertificateAuthority, CertificateList, CertificateSettings,
    DnsHook, ExternalAccount, UpdateCertificateSettings,
};
use crate::api::errands::Outcome;
use crate::api::extract::{Json, SecretJson, Which};
use crate::api::idempotency::{Asked, once};
use crate::api::present;
use crate::api::problem::{Kind, Problem};
use crate::api::settings as checked;

/// Bytes of what a hook is shown, and of the key that binds an account.
const MOST_SECRET: usize = 4_096;

/// Lists the certificates that there are, and those that are wanted
#[utoipa::path(
    get, path = "/api/v1/certificates", operation_id = "list_certificates", tag = "certificates",
    responses((status = 200, description = "By their hosts", body = CertificateList), ReadProblems)
)]
pub(crate) async fn list(State(state): State<ApiState>) -> axum::Json<CertificateList> {
    axum::Json(CertificateList { items: all(&state) })
}

/// Shows the certificate of a host, or one by its id
#[utoipa::path(
    get, path = "/api/v1/certificates/{which}", operation_id = "get_certificate",
    tag = "certificates",
    params(("which" = String, Path, description = "A host or an id", example = "shop.example.com")),
    responses((status = 200, description = "The certificate", body = Certificate), ReadProblems)
)]
pub(crate) async fn show(
    State(state): State<ApiState>,
    Which(which): Which,
) -> Result<axum::Json<Certificate>, Problem> {
    Ok(axum::Json(find(&state, &which)?))
}

/// Takes a certificate that somebody else signed, with its key
///
/// It is served from now on for the hosts that it names, before any other, and nobody renews it: one for
/// the same hosts takes its place. There are at most 500.
#[utoipa::path(
    post, path = "/api/v1/certificates", operation_id = "add_certificate", tag = "certificates",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = AddCertificate,
    responses((status = 201, description = "The certificate", body = Certificate), WriteProblems)
)]
pub(crate) async fn add(
    State(state): State<ApiState>,
    asked: Asked,
    SecretJson(Json { value, hash }): SecretJson<AddCertificate>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    let own = inspect(&value.certificate, value.key.reveal(), state.now())
        .map_err(|bad| Problem::field(bad.field, format!("\"{}\": {}", bad.field, bad.why)))?;
    let there = |names: &CertificateNames| {
        state.control().read(|view| {
            let mut own = view.installation.state.certificates.own();
            own.find(|(_, one)| one.names == *names).map(|(id, one)| (id, one.version))
        })
    };
    if !writing.done() {
        let (id, before) =
            there(&own.names).unwrap_or_else(|| (CertificateId::new(Uuid::now_v7()), 0));
        let (scope, name) = (state.control().installation().uuid(), core::Certificate::secret(id));
        let secrets = vec![
            SecretChange::Delete { scope, name: name.clone() },
            SecretChange::Put { scope, name, version: before + 1, value: own.secret },
        ];
        let names = own.names.clone();
        let issued = Box::new(own.issued);
        let command = CertificateCommand::Issue { id, names, version: before + 1, issued };
        writing.tell(InstallationCommand::Certificate(command), secrets).await?;
    }
    let (id, _) = there(&own.names).ok_or_else(|| no_such(&own.names.to_string()))?;
    let shown = find(&state, &id.to_string())?;
    Ok(writing.answer((StatusCode::CREATED, axum::Json(shown)).into_response()))
}

/// Removes a certificate that was given
///
/// One that the installation comes by itself goes with its domain; it would only come back.
#[utoipa::path(
    delete, path = "/api/v1/certificates/{which}", operation_id = "remove_certificate",
    tag = "certificates",
    params(
        ("which" = String, Path, description = "A host or an id", example = "shop.example.com"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "It is gone"), WriteProblems)
)]
pub(crate) async fn remove(
    State(state): State<ApiState>,
    Which(which): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if !writing.done() {
        let found = find(&state, &which)?;
        let id = found.id.as_ref().filter(|_| found.issuer.as_deref() == Some("own"));
        let id = id.and_then(|id| id.parse::<CertificateId>().ok()).ok_or_else(|| {
            Problem::new(
                Kind::Conflict,
                "only certificates that were given can be removed; this one goes with its domain",
            )
        })?;
        let (scope, name) = (state.control().installation().uuid(), core::Certificate::secret(id));
        let command = InstallationCommand::Certificate(CertificateCommand::Remove { id });
        writing.tell(command, vec![SecretChange::Delete { scope, name }]).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Has a certificate ordered now
///
/// Without waiting until it is due, or tried again; at most four times an hour, since authorities count
/// failures. The answer does not wait for it. Asked twice, it is ordered once where the first order goes on.
#[utoipa::path(
    post, path = "/api/v1/certificates/{which}/renew", operation_id = "renew_certificate",
    tag = "certificates",
    params(
        ("which" = String, Path, description = "A host or an id", example = "shop.example.com"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 202, description = "As it stands at this moment", body = Certificate), WriteProblems)
)]
pub(crate) async fn renew(
    State(state): State<ApiState>,
    Which(which): Which,
    asked: Asked,
) -> Result<Response, Problem> {
    let once = once(&asked, &blake3::hash(&[]), state.request_key())?;
    let work = |_| {
        let state = state.clone();
        async move { Outcome::of(StatusCode::ACCEPTED, &ordered(&state, &which)?) }
    };
    let mut errand = state.errand(once.as_ref(), work).await?;
    let outcome = errand.ended().await?;
    Ok(errand.answer(outcome))
}

/// Has one ordered. It is answered as it stood before.
fn ordered(state: &ApiState, which: &str) -> Result<Certificate, Problem> {
    let found = find(state, which)?;
    if found.issuer.as_deref() == Some("own") {
        return Err(Problem::new(
            Kind::Conflict,
            "nobody renews this one: give a new one for the same hosts (hythe certificate add)",
        ));
    }
    let names: CertificateNames = checked::text("names", &found.names.join(","))?;
    state.control().certificates().ask_for(names);
    Ok(found)
}

/// Shows the installation's own authority
///
/// It signs for local names alone, such as those below localhost. Whoever is to trust these takes its
/// certificate into the trusted ones.
#[utoipa::path(
    get, path = "/api/v1/certificates/authority", operation_id = "get_certificate_authority",
    tag = "certificates",
    responses((status = 200, description = "Its certificate", body = CertificateAuthority), ReadProblems)
)]
pub(crate) async fn authority(
    State(state): State<ApiState>,
) -> Result<axum::Json<CertificateAuthority>, Problem> {
    let control = state.control();
    let local = control.read(|view| view.installation.state.certificates.local.clone());
    let none = || {
        Problem::not_found(
            "this installation has no authority of its own yet: it is made once local names \
             are to be signed (hythe certificate settings --local) and an edge serves https",
        )
    };
    let local = local.ok_or_else(none)?;
    let certificate = control.certificates().local_authority(control);
    let certificate = certificate.map_err(|why| Problem::new(Kind::Unavailable, why))?;
    let certificate = certificate.ok_or_else(none)?;
    Ok(axum::Json(CertificateAuthority { certificate, not_after: local.not_after.into() }))
}

/// Has edges share a new key
///
/// For where an edge is gone for good, or in other hands: with the key that edges share it could open the
/// certificates that come after it. All are sealed anew. The new key goes to each edge that is heard of from now on,
/// and edges let go of the old one by themselves; so change first what the lost one reaches NATS with. The keys of
/// certificates that it had are no secret any more: order new ones.
#[utoipa::path(
    post, path = "/api/v1/certificates/fleet-key", operation_id = "rotate_fleet_key",
    tag = "certificates",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    responses((status = 204, description = "There is a new one"), WriteProblems)
)]
pub(crate) async fn rotate(
    State(state): State<ApiState>,
    asked: Asked,
) -> Result<Response, Problem> {
    let mut writing = state.writing_plainly(&asked).await?;
    if !writing.done() {
        let control = state.control();
        if control.read(|view| view.installation.state.certificates.fleet) == 0 {
            return Err(Problem::new(
                Kind::Conflict,
                "edges share no key yet: there is one once an edge is heard of that serves https",
            ));
        }
        let new = new_fleet_key(control);
        let (command, secrets) = new.map_err(|why| Problem::new(Kind::Unavailable, why))?;
        writing.tell(InstallationCommand::Certificate(command), secrets).await?;
    }
    Ok(writing.answer(StatusCode::NO_CONTENT))
}

/// Shows how certificates are come by
#[utoipa::path(
    get, path = "/api/v1/certificates/settings", operation_id = "get_certificate_settings",
    tag = "certificates",
    responses((status = 200, description = "For all of them", body = CertificateSettings), ReadProblems)
)]
pub(crate) async fn settings(State(state): State<ApiState>) -> axum::Json<CertificateSettings> {
    axum::Json(settings_of(&state))
}

/// Sets how certificates are come by
///
/// Nothing is ordered from an authority before its terms of service are agreed to.
#[utoipa::path(
    patch, path = "/api/v1/certificates/settings", operation_id = "update_certificate_settings",
    tag = "certificates",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Repeated with the same key, the request takes effect once", max_length = 255),
    ),
    request_body = UpdateCertificateSettings,
    responses((status = 200, description = "For all of them", body = CertificateSettings), WriteProblems)
)]
pub(crate) async fn update_settings(
    State(state): State<ApiState>,
    asked: Asked,
    SecretJson(Json { value, hash }): SecretJson<UpdateCertificateSettings>,
) -> Result<Response, Problem> {
    let mut writing = state.writing(&asked, &hash).await?;
    if writing.done() {
        return Ok(writing.answer(axum::Json(settings_of(&state))));
    }
    let (mut wanted, before) = state.control().read(|view| {
        let now = &view.installation.state.certificates;
        (now.settings.clone(), now.secret_version)
    });
    let secrets = change(&state, &mut wanted, value, before + 1)?;
    let version = (!secrets.is_empty()).then_some(before + 1);
    let command = CertificateCommand::Set { settings: Box::new(wanted), version };
    writing.tell(InstallationCommand::Certificate(command), secrets).await?;
    Ok(writing.answer(axum::Json(settings_of(&state))))
}

/// Makes the change; says which secrets go with it, under the version that they have then.
fn change(
    state: &ApiState,
    wanted: &mut core::CertificateSettings,
    value: UpdateCertificateSettings,
    version: u64,
) -> Result<Vec<SecretChange>, Problem> {
    let UpdateCertificateSettings { email, cas, agree_tos, external, dns_hook, challenges, local } =
        value;
    let scope = state.control().installation().uuid();
    let put = |name: String, value: String| {
        [
            SecretChange::Delete { scope, name: name.clone() },
            SecretChange::Put { scope, name, version, value: Secret::from(value) },
        ]
    };
    let mut secrets = Vec::new();
    if let Some(email) = email {
        let email = email.as_deref().filter(|text| !text.is_empty());
        wanted.email = email.map(|text| checked::text("email", text)).transpose()?;
    }
    if let Some(cas) = cas {
        let read =
            cas.iter().enumerate().map(|(at, text)| checked::text(&format!("cas[{at}]"), text));
        wanted.authorities = read.collect::<Result<_, _>>()?;
    }
    if let Some(external) = external {
        let ca: Authority = checked::text("external.ca", &external.ca)?;
        let key_id = checked::text("external.key_id", &external.key_id)?;
        let key = secret("external.key", external.key.reveal())?;
        secrets.extend(put(ca.external_secret(), key));
        wanted.external.insert(ca, core::ExternalAccount { key_id, version });
    }
    match dns_hook {
        None => {}
        Some(None) => {
            wanted.dns = None;
            let name = core::Certificates::HOOK_SECRET.to_owned();
            secrets.push(SecretChange::Delete { scope, name });
        }
        Some(Some(hook)) => {
            let url = checked::text("dns_hook.url", &hook.url)?;
            let name = core::Certificates::HOOK_SECRET.to_owned();
            let shown = hook.secret.as_ref().map(|text| secret("dns_hook.secret", text.reveal()));
            let shown = shown.transpose()?;
            let has = shown.is_some();
            secrets.extend(match shown {
                Some(text) => put(name, text).to_vec(),
                None => vec![SecretChange::Delete { scope, name }],
            });
            wanted.dns = Some(core::DnsHook { url, version: has.then_some(version) });
        }
    }
    if let Some(challenges) = challenges {
        let read = challenges
            .iter()
            .enumerate()
            .map(|(at, text)| checked::text(&format!("challenges[{at}]"), text));
        wanted.challenges = read.collect::<Result<_, _>>()?;
    }
    wanted.local = local.unwrap_or(wanted.local);
    match agree_tos {
        None => {}
        Some(true) => wanted.agreed = wanted.authorities().into_iter().collect(),
        Some(false) => wanted.agreed.clear(),
    }
    Ok(secrets)
}

/// A secret as it can be sent in a header. What is wrong with it does not repeat it.
fn secret(field: &str, text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.len() > MOST_SECRET || !text.bytes().all(|b| b.is_ascii_graphic()) {
        let why = format!("\"{field}\" has 1 to {MOST_SECRET} visible ASCII characters");
        return Err(Problem::field(field.to_owned(), why));
    }
    Ok(text.to_owned())
}

fn settings_of(state: &ApiState) -> CertificateSettings {
    let settings =
        state.control().read(|view| view.installation.state.certificates.settings.clone());
    let authorities = settings.authorities();
    let program = state.control().certificates().config().dns_program.as_ref();
    CertificateSettings {
        email: settings.email.as_ref().map(ToString::to_string),
        cas: authorities.iter().map(ToString::to_string).collect(),
        agreed: settings.usable().iter().map(ToString::to_string).collect(),
        external: settings
            .external
            .iter()
            .map(|(ca, external)| ExternalAccount {
                ca: ca.to_string(),
                key_id: external.key_id.to_string(),
            })
            .collect(),
        dns_hook: settings
            .dns
            .as_ref()
            .map(|hook| DnsHook { url: hook.url.to_string(), has_secret: hook.version.is_some() }),
        dns_program: program.map(|path| path.display().to_string()),
        challenges: settings.challenges().iter().map(ToString::to_string).collect(),
        local: settings.local,
    }
}

fn all(state: &ApiState) -> Vec<Certificate> {
    let standing = state.control().certificates().standing();
    let now = state.now();
    state.see(|sight| present::certificates(sight.view, &standing, now))
}

fn no_such(which: &str) -> Problem {
    Problem::not_found(format!(
        "there is no certificate {which}, and none is wanted; `hythe certificate ls` shows which are"
    ))
}

/// One by its id, by its hosts, or by a host that it serves.
fn find(state: &ApiState, which: &str) -> Result<Certificate, Problem> {
    let mut items = all(state);
    let by_id = items.iter().position(|one| one.id.as_deref() == Some(which));
    let by_names = || items.iter().position(|one| one.names.join(",") == which);
    if let Some(at) = by_id.or_else(by_names) {
        return Ok(items.swap_remove(at));
    }
    let name: CertificateName =
        checked::text("which", which).map_err(|_| no_such("of that name"))?;
    let standing = state.control().certificates().standing();
    let now = state.now();
    let found = state.see(|sight| {
        present::certificate_of(sight.view, &standing, name.name(), name.is_wildcard(), now)
    });
    found.ok_or_else(|| no_such(which))
}
