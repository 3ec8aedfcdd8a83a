//! The claims of a token as they would be; nothing is signed or stored.

use super::TemplateError;
use super::check;
use super::claims::{Shape, TokenClaims, rendered};
use super::values::{self, Wants};
use crate::{Engine, tenancy};
use api::JwtTemplateWarning;
use domain::jwt_template::{SigningAlgorithm, TOKEN_MAX};
use domain::{Context, UserId};
use serde_json::{Map, Value};
use std::sync::Arc;
use templates::claims::Claims;

/// How far the token is dated back where nobody says so.
const SKEW: i64 = 5;

/// What is to be looked at.
pub struct Preview {
    /// The claims, with placeholders.
    pub claims: Map<String, Value>,
    /// How long the token would live, in seconds.
    pub lifetime: i64,
    /// How the token would be signed.
    pub signing_algorithm: SigningAlgorithm,
    /// Whom it would be about; somebody made up when nobody is named.
    pub user: Option<UserId>,
    /// The organization it would be for.
    pub organization: Option<String>,
}

/// Shows the claims of a token.
pub async fn preview(engine: &Engine, cx: &Context, asked: Preview) -> Result<api::JwtTemplatePreview, TemplateError> {
    let tenant = tenancy::tenant(engine, cx.env).await?;
    let env = Arc::clone(&tenant.env);
    let mut values = values::sample(&env, cx.now);
    if let Some(user) = asked.user {
        let person = values::person(engine, &env, None, (user, Wants::Everything)).await?;
        values.insert("user".to_owned(), person.ok_or(TemplateError::NoUser)?);
    }
    if asked.organization.is_some() {
        // Nobody is a member of anything before organizations exist.
        return Err(TemplateError::NoOrganization);
    }
    let now = cx.now;
    let shown = tokio::task::spawn_blocking(move || {
        let claims = check::parsed(&asked.claims)?;
        let token = TokenClaims::new(&env, (asked.lifetime, SKEW), values, now);
        let made = rendered(&claims, &token).map_err(|error| vec![check::problem(&error)])?;
        let size = Shape::of_algorithm(asked.signing_algorithm).of_token(&made);
        Ok(api::JwtTemplatePreview::new(made, size, warnings(&claims, size)))
    })
    .await;
    shown.map_err(storage::fault_from)?.map_err(TemplateError::Problems)
}

fn warnings(claims: &Claims, size: usize) -> Vec<JwtTemplateWarning> {
    let warning = |code: &str, message: &str, subject: String| JwtTemplateWarning {
        code: code.to_owned(),
        message: message.to_owned(),
        subject,
    };
    let mut warnings = Vec::new();
    for path in claims.paths() {
        if !values::is_known(path) {
            let message = "Nothing has this name: it is always empty.";
            warnings.push(warning("path_unknown", message, path.to_owned()));
        }
        if path.starts_with("user.unsafe_metadata") || path == "user" {
            let message = "People write their unsafe metadata themselves: do not decide by it.";
            warnings.push(warning("unsafe_metadata", message, path.to_owned()));
        }
    }
    if size > TOKEN_MAX {
        warnings.push(warning("too_large", "Tokens of more than 4096 bytes are refused.", size.to_string()));
    }
    warnings
}
