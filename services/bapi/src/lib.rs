//! The backend API: routes, handlers and request bodies, nothing else.

mod emails;
mod instance;
mod sessions;
mod tickets;
mod user_bodies;
mod users;

use utoipa_actix_web::service_config::ServiceConfig;

/// Every route of the surface.
pub fn routes(app: &mut ServiceConfig<'_>) {
    app.configure(users::routes)
        .configure(emails::routes)
        .configure(sessions::routes)
        .configure(tickets::routes)
        .configure(instance::routes);
}

/// The document of the surface, made from its routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    web::docs::document(domain::Surface::Bapi, routes)
}
