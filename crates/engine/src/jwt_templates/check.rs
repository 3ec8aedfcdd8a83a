//! Whether a template can be used: everything that is wrong is told at once, each problem by its path.

use super::claims::{Shape, TokenClaims, rendered};
use super::values;
use domain::code::Code;
use domain::environment::Environment;
use domain::jwt_template::{JwtTemplate, KeyMismatch, TOKEN_MAX, check_claims, mistyped_claims, reserved_claims};
use domain::{Kind, Problem, code};
use serde_json::{Map, Value};
use templates::Meaning;
use templates::claims::{ClaimError, Claims, Wrong};

/// How many problems are told.
const PROBLEMS_MAX: usize = 50;

/// How much of a path is told.
const PATH_MAX: usize = 200;

/// Everything that is wrong with a template.
pub(super) fn problems(env: &Environment, template: &JwtTemplate) -> Vec<Problem> {
    let mut problems = match parsed(&template.claims) {
        Err(problems) => problems,
        Ok(claims) => too_large(env, template, &claims).into_iter().collect(),
    };
    if let Err(mismatch) = template.check_key() {
        problems.push(of_key(match mismatch {
            KeyMismatch::Missing => "missing",
            KeyMismatch::OtherKind => "other_kind",
        }));
    }
    problems.truncate(PROBLEMS_MAX);
    problems
}

/// Reads claims that somebody has sent.
pub(super) fn parsed(claims: &Map<String, Value>) -> Result<Claims, Vec<Problem>> {
    if let Err(bad) = check_claims(claims) {
        return Err(vec![of_param(code::PARAM_VALUE_INVALID, "").with("reason", bad.as_str())]);
    }
    let mut problems: Vec<Problem> = reserved_claims(claims)
        .map(|name| of_param(code::PARAM_VALUE_INVALID, name).with("reason", "reserved"))
        .chain(mistyped_claims(claims).map(|name| of_param(code::PARAM_FORMAT_INVALID, name)))
        .collect();
    match Claims::parse(claims) {
        Ok(claims) if problems.is_empty() => return Ok(claims),
        Ok(_) => {}
        Err(errors) => problems.extend(errors.iter().map(problem)),
    }
    problems.truncate(PROBLEMS_MAX);
    Err(problems)
}

/// Whether the token of somebody ordinary is larger than tokens may be.
fn too_large(env: &Environment, template: &JwtTemplate, claims: &Claims) -> Option<Problem> {
    let now = template.updated_at;
    match rendered(claims, &TokenClaims::of(env, template, values::sample(env, now), now)) {
        Err(error) => Some(problem(&error)),
        Ok(made) => {
            let size = Shape::of(template).of_token(&made);
            (size > TOKEN_MAX).then(|| of_size(size))
        }
    }
}

/// What is wrong with a claim.
pub(super) fn problem(error: &ClaimError) -> Problem {
    match &error.wrong {
        Wrong::PrivateMetadata => of_param(code::JWT_TEMPLATE_PRIVATE_METADATA_REJECTED, &error.path),
        Wrong::Template(wrong) => {
            let code = match wrong.meaning {
                Meaning::OutputTooLong | Meaning::TooMuchWork => code::JWT_TEMPLATE_TOO_LARGE,
                _ => code::PARAM_FORMAT_INVALID,
            };
            of_param(code, &error.path)
                .with("line", wrong.line)
                .with("reason", wrong.meaning.as_str())
                .with("detail", wrong.meaning.to_string())
        }
    }
}

/// A token that is too large.
pub(super) fn of_size(size: usize) -> Problem {
    of_param(code::JWT_TEMPLATE_TOO_LARGE, "").with("byte_size", size).with("limit", TOKEN_MAX)
}

/// A key that cannot sign.
pub(super) fn of_key(reason: &'static str) -> Problem {
    Problem::of_param(Kind::Invalid, code::JWT_TEMPLATE_SIGNING_KEY_INVALID, "custom_signing_key")
        .with("reason", reason)
}

fn of_param(code: Code, path: &str) -> Problem {
    let path: String = path.chars().filter(|c| !c.is_control()).take(PATH_MAX).collect();
    let param = if path.is_empty() { "claims".to_owned() } else { format!("claims.{path}") };
    Problem::of_param(Kind::Invalid, code, param)
}
