//! The browser-facing API: routes, handlers and request bodies, nothing else.

mod answers;
mod challenges;
mod client;
mod emails;
mod environment;
mod handshake;
mod handshake_page;
mod images;
mod me;
mod passkeys;
mod phone_numbers;
mod second_factors;
mod sessions;
mod sign_ins;
mod sign_ups;
mod well_known;

use web::ServiceConfig;

/// Every route of the surface.
pub fn routes(app: &mut ServiceConfig) {
    app.configure(sessions::routes)
        .configure(environment::routes)
        .configure(client::routes)
        .configure(handshake::routes)
        .configure(sign_ins::routes)
        .configure(sign_ups::routes)
        .configure(me::routes)
        .configure(images::routes)
        .configure(emails::routes)
        .configure(second_factors::routes)
        .configure(passkeys::routes)
        .configure(phone_numbers::routes)
        .configure(well_known::routes);
}

/// The document of the surface, made from its routes.
pub fn openapi() -> utoipa::openapi::OpenApi {
    web::docs::document(domain::Surface::Fapi, routes)
}
