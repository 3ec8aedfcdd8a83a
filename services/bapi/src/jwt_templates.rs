//! JWT templates, and tokens of people who need not be signed in.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json};
use actix_web::{delete, get, patch, post};
use api::{Page, Token};
use crypto::Secret;
use domain::jwt_template::{BadName, CLOCK_SKEW, LIFETIME, SigningAlgorithm, new_name};
use domain::{JwtTemplateId, Patch, UserId, code};
use engine::jwt_templates::{NewTemplate, Preview, TemplateChange, TemplateError};
use engine::{Engine, JwtTemplateKey, jwt_templates};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use web::ServiceConfig;
use web::form::read::{self, Reading, Seen};
use web::path::Named;
use web::{
    ApiError, ApiErrors, Body, Form, FromForm, FromQuery, Given, Id, NoContent, OrFault, PageParams, Paging, Params,
    Query, SecretKey, Write,
};

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.service(list_jwt_templates)
        .service(create_jwt_template)
        .service(preview_jwt_template)
        .service(get_jwt_template)
        .service(update_jwt_template)
        .service(delete_jwt_template)
        .service(mint_user_jwt_template_token);
}

const ORDERS: [(&str, JwtTemplateKey); 2] =
    [("created_at", JwtTemplateKey::CreatedAt), ("updated_at", JwtTemplateKey::UpdatedAt)];

/// How the templates are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListJwtTemplates {
    #[param(ignore)]
    paging: Paging<JwtTemplateKey>,
}

impl FromQuery for ListJwtTemplates {
    fn from_query(params: &mut Params) -> Option<Self> {
        let paging = params.paging("jwt_templates", &ORDERS);
        Some(Self { paging: paging? })
    }
}

/// Lists the JWT templates.
#[utoipa::path(params(PageParams), responses((status = 200, body = Page<api::JwtTemplate>), ApiErrors))]
#[get("/v1/jwt-templates")]
async fn list_jwt_templates(
    caller: SecretKey,
    engine: Data<Engine>,
    Query(asked): Query<ListJwtTemplates>,
) -> Result<Json<Page<api::JwtTemplate>>, ApiError> {
    let request = asked.paging.open(&engine, &caller.env).await?;
    let found = jwt_templates::list(&engine, &caller.cx, request).await.or_fault()?;
    Ok(Json(asked.paging.answer(&engine, &caller.env, found).await?))
}

/// Shows a JWT template; its own key is never shown.
#[utoipa::path(responses((status = 200, body = api::JwtTemplate), ApiErrors))]
#[get("/v1/jwt-templates/{jwt_template_id}")]
async fn get_jwt_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<JwtTemplateId>,
) -> Result<Json<api::JwtTemplate>, ApiError> {
    Ok(Json(jwt_templates::find(&engine, &caller.cx, id).await?))
}

/// The name of a template.
fn name(value: Value) -> Reading<String> {
    let text = value.as_str().ok_or(code::PARAM_FORMAT_INVALID)?.trim();
    if text.is_empty() {
        return Ok(Seen::Empty);
    }
    new_name(text).map(Seen::Value).map_err(|bad| match bad {
        BadName::Form => code::PARAM_FORMAT_INVALID,
        BadName::Reserved => code::PARAM_VALUE_INVALID,
    })
}

fn algorithm(form: &mut Form) -> Given<'_, SigningAlgorithm> {
    form.choice("signing_algorithm", SigningAlgorithm::parse)
}

/// A key of the operator's own. An empty one says nothing, null takes one away.
fn key(form: &mut Form) -> Patch<Secret<String>> {
    let mut secret = read::secret();
    let given = form.field("custom_signing_key", |value| {
        Ok(Seen::Value(match secret(value)? {
            Seen::Empty => None,
            Seen::Value(key) => Some(key),
        }))
    });
    match given.patch() {
        Patch::Set(Some(key)) => Patch::Set(key),
        Patch::Set(None) | Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
    }
}

/// A JWT template to make.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtTemplateCreateRequest {
    /// What it is asked for by; `default`, `flat` and `preview` mean something else.
    #[schema(max_length = 64, pattern = "^[a-z][a-z0-9_-]{0,63}$")]
    name: String,
    /// The claims: texts may hold placeholders such as `{{user.id}}`.
    #[schema(value_type = api::OpenObject)]
    claims: Map<String, Value>,
    /// How long a token lives, in seconds.
    #[schema(value_type = Option<i64>, minimum = 30, maximum = 86400, default = 60)]
    lifetime: i64,
    /// How far a token is dated back, in seconds.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 300, default = 5)]
    allowed_clock_skew: i64,
    /// How a token is signed: `RS256`, `ES256` or `HS256`.
    #[schema(value_type = Option<String>, default = "RS256")]
    signing_algorithm: SigningAlgorithm,
    /// A private key in PEM, or for HS256 a secret of at least 32 bytes in base64. It is never shown again.
    #[schema(value_type = Option<String>, write_only)]
    custom_signing_key: Option<Secret<String>>,
}

impl FromForm for JwtTemplateCreateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = form.field("name", name).required();
        let claims = form.object("claims").required();
        let lifetime = form.integer("lifetime", LIFETIME).or(60);
        let allowed_clock_skew = form.integer("allowed_clock_skew", CLOCK_SKEW).or(5);
        let signing_algorithm = algorithm(form).or(SigningAlgorithm::Rs256);
        let custom_signing_key = key(form).set().cloned();
        Some(Self { name: name?, claims: claims?, lifetime, allowed_clock_skew, signing_algorithm, custom_signing_key })
    }
}

/// Makes a JWT template.
#[utoipa::path(request_body = JwtTemplateCreateRequest, responses((status = 201, body = api::JwtTemplate), ApiErrors))]
#[post("/v1/jwt-templates")]
async fn create_jwt_template(
    Write { cx, body, .. }: Write<JwtTemplateCreateRequest>,
    engine: Data<Engine>,
) -> Result<(Json<api::JwtTemplate>, StatusCode), ApiError> {
    let new = NewTemplate {
        name: body.name,
        claims: body.claims,
        lifetime: body.lifetime,
        allowed_clock_skew: body.allowed_clock_skew,
        signing_algorithm: body.signing_algorithm,
        custom_signing_key: body.custom_signing_key,
    };
    Ok((Json(jwt_templates::create(&engine, &cx, new).await?), StatusCode::CREATED))
}

/// A change of a JWT template.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtTemplateUpdateRequest {
    /// What it is asked for by.
    #[schema(max_length = 64, pattern = "^[a-z][a-z0-9_-]{0,63}$")]
    name: Option<String>,
    /// All claims in place of those that are there.
    #[schema(value_type = Option<api::OpenObject>)]
    claims: Option<Map<String, Value>>,
    /// How long a token lives, in seconds.
    #[schema(minimum = 30, maximum = 86400)]
    lifetime: Option<i64>,
    /// How far a token is dated back, in seconds.
    #[schema(minimum = 0, maximum = 300)]
    allowed_clock_skew: Option<i64>,
    /// How a token is signed: `RS256`, `ES256` or `HS256`.
    #[schema(value_type = Option<String>)]
    signing_algorithm: Option<SigningAlgorithm>,
    /// A private key in PEM, or for HS256 a secret of at least 32 bytes in base64; null takes it away.
    #[schema(value_type = Option<String>, write_only)]
    custom_signing_key: Patch<Secret<String>>,
}

impl FromForm for JwtTemplateUpdateRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        // What is sent has to say something: an empty name is none.
        let name = form.field("name", name);
        let name = match name.patch() {
            Patch::Set(name) => Some(name),
            Patch::Keep => None,
            Patch::Clear => {
                form.wrong("name", code::PARAM_FORMAT_INVALID);
                None
            }
        };
        let claims = form.object("claims").optional();
        let lifetime = form.integer("lifetime", LIFETIME).optional();
        let allowed_clock_skew = form.integer("allowed_clock_skew", CLOCK_SKEW).optional();
        let signing_algorithm = algorithm(form).optional();
        let custom_signing_key = key(form);
        Some(Self { name, claims, lifetime, allowed_clock_skew, signing_algorithm, custom_signing_key })
    }
}

/// Changes a JWT template; tokens that were minted before stay what they are.
#[utoipa::path(request_body = JwtTemplateUpdateRequest, responses((status = 200, body = api::JwtTemplate), ApiErrors))]
#[patch("/v1/jwt-templates/{jwt_template_id}")]
async fn update_jwt_template(
    Write { cx, body, .. }: Write<JwtTemplateUpdateRequest>,
    engine: Data<Engine>,
    Id(id): Id<JwtTemplateId>,
) -> Result<Json<api::JwtTemplate>, ApiError> {
    let change = TemplateChange {
        name: body.name,
        claims: body.claims,
        lifetime: body.lifetime,
        allowed_clock_skew: body.allowed_clock_skew,
        signing_algorithm: body.signing_algorithm,
        custom_signing_key: body.custom_signing_key,
    };
    Ok(Json(jwt_templates::update(&engine, &cx, id, change).await?))
}

/// Deletes a JWT template; whoever asks for it from now on asks in vain.
#[utoipa::path(responses((status = 204), ApiErrors))]
#[delete("/v1/jwt-templates/{jwt_template_id}")]
async fn delete_jwt_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(id): Id<JwtTemplateId>,
) -> Result<NoContent, ApiError> {
    jwt_templates::delete(&engine, &caller.cx, id).await?;
    Ok(NoContent)
}

/// Claims to look at.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtTemplatePreviewRequest {
    /// The claims, with placeholders.
    #[schema(value_type = api::OpenObject)]
    claims: Map<String, Value>,
    /// How long the token would live, in seconds.
    #[schema(value_type = Option<i64>, minimum = 30, maximum = 86400, default = 60)]
    lifetime: i64,
    /// How the token would be signed: `RS256`, `ES256` or `HS256`.
    #[schema(value_type = Option<String>, default = "RS256")]
    signing_algorithm: SigningAlgorithm,
    /// Whom it would be about; somebody made up when nobody is named.
    user_id: Option<String>,
    /// The organization it would be for.
    organization_id: Option<String>,
}

impl FromForm for JwtTemplatePreviewRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let claims = form.object("claims").required();
        let lifetime = form.integer("lifetime", LIFETIME).or(60);
        let signing_algorithm = algorithm(form).or(SigningAlgorithm::Rs256);
        let user_id = form.text("user_id", 64).nullable();
        let organization_id = form.text("organization_id", 64).nullable();
        Some(Self { claims: claims?, lifetime, signing_algorithm, user_id, organization_id })
    }
}

/// Shows the claims of a token as they would be; signs and stores nothing.
#[utoipa::path(request_body = JwtTemplatePreviewRequest, responses((status = 200, body = api::JwtTemplatePreview), ApiErrors))]
#[post("/v1/jwt-templates/preview")]
async fn preview_jwt_template(
    caller: SecretKey,
    engine: Data<Engine>,
    Body(body): Body<JwtTemplatePreviewRequest>,
) -> Result<Json<api::JwtTemplatePreview>, ApiError> {
    // An id of another form is nobody's.
    let user = body.user_id.map(|id| id.parse::<UserId>().map_err(|_| TemplateError::NoUser)).transpose()?;
    let JwtTemplatePreviewRequest { claims, lifetime, signing_algorithm, organization_id: organization, .. } = body;
    let asked = Preview { claims, lifetime, signing_algorithm, user, organization };
    Ok(Json(jwt_templates::preview(&engine, &caller.cx, asked).await?))
}

/// What a token of a person is to say beside the template.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserTokenRequest {
    /// The organization it is for; the person has to be a member.
    organization_id: Option<String>,
}

impl FromForm for UserTokenRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let organization_id = form.text("organization_id", 64).nullable();
        Some(Self { organization_id })
    }
}

/// Mints a token of a person by a template, signed in or not.
#[utoipa::path(request_body = UserTokenRequest, responses((status = 200, body = Token), ApiErrors), params(("name" = String, Path, pattern = "^[A-Za-z0-9_-]{1,64}$")))]
#[post("/v1/users/{user_id}/jwt-templates/{name}/tokens")]
async fn mint_user_jwt_template_token(
    caller: SecretKey,
    engine: Data<Engine>,
    Id(user): Id<UserId>,
    Id(Named(name)): Id<Named>,
    Body(body): Body<UserTokenRequest>,
) -> Result<Json<Token>, ApiError> {
    let jwt = jwt_templates::mint_for_user(&engine, &caller.cx, user, &name, body.organization_id).await?;
    Ok(Json(Token::new(jwt)))
}
