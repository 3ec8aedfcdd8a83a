//! What operators do: projects, environments and the keys of those. For a key of any other environment than their own
//! nothing of this exists.

mod environments;
mod keys;
mod projects;

use web::ServiceConfig;

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.configure(projects::routes).configure(environments::routes).configure(keys::routes);
}
