//! The backend API: routes, handlers and request bodies, nothing else.

mod admin;
mod api_keys;
mod audit_log;
mod codes;
mod configuration;
mod emails;
mod events;
mod identifier_lists;
mod instance;
mod invitations;
mod jwt_templates;
mod message_templates;
mod passkeys;
mod phone_numbers;
mod redirect_urls;
mod sessions;
mod tickets;
mod user_bodies;
mod user_lists;
mod users;
mod webhooks;

use web::ServiceConfig;

/// Every route of the surface.
pub fn routes(app: &mut ServiceConfig) {
    app.configure(users::routes)
        .configure(emails::routes)
        .configure(phone_numbers::routes)
        .configure(sessions::routes)
        .configure(tickets::routes)
        .configure(invitations::routes)
        .configure(user_lists::routes)
        .configure(passkeys::routes)
        .configure(api_keys::routes)
        .configure(admin::routes)
        .configure(instance::routes)
        .configure(configuration::routes)
        .configure(identifier_lists::routes)
        .configure(redirect_urls::routes)
        .configure(message_templates::routes)
        .configure(events::routes)
        .configure(audit_log::routes)
        .configure(webhooks::routes)
        .configure(jwt_templates::routes);
}

/// The document of the surface, made from its routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    web::docs::document(domain::Surface::Bapi, routes)
}
