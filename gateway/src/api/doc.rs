//! The OpenAPI document: what belongs to no single operation.

use std::collections::BTreeMap;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

use super::dto::SecretText;
use super::problem::{MEDIA_TYPE, Problem};

/// What the document begins with; operations and schemas come from the routes.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Hythe",
        description = "A self-hosted deployment platform: from a git repository to a live URL.\n\n\
            Everything but `/healthz`, `/readyz` and `/hooks/…` needs the owner token. Whatever goes wrong is a \
            problem document (RFC 9457). Writes may carry the header `Idempotency-Key`: repeated \
            with the same key, they take effect once and answer the same. An answer to a write \
            goes out once it is on disk and everything read afterwards shows it.\n\n\
            `/api/v1/events` and the two `…/logs` are WebSockets too: ask for an upgrade on the \
            same address, with the same parameters; each message is one item as JSON. \
            `/api/v1/runs/{run}/attach` and `…/logs` are WebSockets of binary packets. A browser, \
            which cannot set headers there, signs in first (`POST /api/v1/session`) or offers the \
            subprotocols `hythe.v1` and `hythe.bearer.TOKEN`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(Problem)),
    modifiers(&Schemes),
    security(("bearer" = []), ("session" = [])),
    tags(
        (name = "apps", description = "Apps and their settings"),
        (name = "deployments", description = "Attempts to bring a version live"),
        (name = "env", description = "Environment variables: written, never read back"),
        (name = "crons", description = "Commands that are run by a schedule, beside the replicas"),
        (name = "runs", description = "Commands that are run once, beside the replicas"),
        (name = "domains", description = "Hosts of your own for apps: proven, routed, looked at again"),
        (name = "logs", description = "What builds and replicas say"),
        (name = "events", description = "What happened"),
        (name = "projects", description = "Apps that belong together"),
        (name = "certificates", description = "Certificates for https, and how they are come by"),
        (name = "registries", description = "Registries that builds log in to"),
        (name = "hooks", description = "Webhooks: what deploys apps by itself"),
        (name = "previews", description = "An app of its own for each open pull request"),
        (name = "sources", description = "How builds reach private repositories"),
        (name = "workers", description = "Where replicas run"),
        (name = "routes", description = "Which host leads where"),
        (name = "backups", description = "Backups, their schedule, and the mirror"),
        (name = "session", description = "Signing in with a browser"),
        (name = "server", description = "Whether the server is well"),
    )
)]
pub(crate) struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("The owner token, as in the file `owner.token`."))
                    .build(),
            ),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                super::auth::COOKIE,
                "Set by `POST /api/v1/session`, for browsers; writes must come from the same origin.",
            ))),
        );
    }
}

/// What any read can answer besides what is asked for.
pub(crate) struct ReadProblems;

/// What any write can answer besides what is asked for.
pub(crate) struct WriteProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "The request cannot be read"),
            ("401", "The owner token is missing or wrong"),
            ("404", "There is no such thing"),
            ("421", "The host in the request is not one of this server's"),
            ("422", "A parameter is not right"),
            ("429", "Too many failed attempts to sign in"),
            ("500", "Something in Hythe broke"),
            ("503", "Too much is under way; see Retry-After"),
            ("504", "It took too long"),
        ])
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut all = ReadProblems::responses();
        all.extend(problems(&[
            ("403", "Signed in with a browser, and the request comes from another site"),
            ("409", "It exists already, or does not fit the present state"),
            ("413", "The body is too large"),
            ("415", "The body is not JSON"),
            ("422", "A field is not right, or the idempotency key belongs to another request"),
            ("507", "The disk is full; the detail says what to do, and what works without room"),
        ]));
        all
    }
}

fn problems(which: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let one = |description: &str| {
        let schema = utoipa::openapi::Ref::from_schema_name("Problem");
        ResponseBuilder::new()
            .description(description)
            .content(MEDIA_TYPE, ContentBuilder::new().schema(Some(schema)).build())
            .build()
    };
    which.iter().map(|(status, text)| ((*status).into(), RefOr::T(one(text)))).collect()
}

// A value on its way in is a text that no tool should show.
impl PartialSchema for SecretText {
    fn schema() -> RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
            .write_only(true)
            .into()
    }
}

impl ToSchema for SecretText {}
