//! What operators do: projects, environments and the keys of those. For a key of any other environment than their own
//! nothing of this exists.

mod environments;
mod keys;
mod projects;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) fn routes(app: &mut ServiceConfig<'_>) {
    app.configure(projects::routes).configure(environments::routes).configure(keys::routes);
}
