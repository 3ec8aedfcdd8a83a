//! The tables of the product, as diesel knows them. `log_schema` holds those of the log and the queue.

use anydb::Json;

diesel::table! { workspaces (id) { id -> Text, name -> Text, created_at -> BigInt, } }
diesel::table! { projects (id) { id -> Text, workspace_id -> Text, name -> Text, created_at -> BigInt, updated_at -> BigInt, } }
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    environments (id) {
        id -> Text,
        project_id -> Text,
        name -> Text,
        slug -> Text,
        kind -> Text,
        routing_label -> Text,
        issuer -> Text,
        settings -> Json,
        config_version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}
diesel::table! { hosts (host, segment) { host -> Text, segment -> Text, environment_id -> Text, } }
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    api_keys (id) {
        id -> Text,
        environment_id -> Text,
        kind -> Text,
        prefix -> Text,
        hashed_secret -> Binary,
        name -> Text,
        restricted_to_actions -> Nullable<Json>,
        previous_hash -> Nullable<Binary>,
        previous_until -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        created_by -> Nullable<Text>,
        created_at -> BigInt,
    }
}
diesel::table! { data_keys (environment_id, id) { environment_id -> Text, id -> Text, wrapped -> Text, created_at -> BigInt, } }
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    signing_keys (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        algorithm -> Text,
        status -> Text,
        sealed_private_key -> Text,
        public_jwk -> Json,
        activated_at -> Nullable<BigInt>,
        retire_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    jwt_templates (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        name -> Text,
        claims -> Json,
        lifetime -> BigInt,
        allowed_clock_skew -> BigInt,
        signing_algorithm -> Text,
        key_kind -> Nullable<Text>,
        sealed_key -> Nullable<Text>,
        key_fingerprint -> Nullable<Text>,
        public_jwk -> Nullable<Json>,
        last_used_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    users (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        external_id -> Nullable<Text>,
        username -> Nullable<Text>,
        username_key -> Nullable<Text>,
        first_name -> Nullable<Text>,
        last_name -> Nullable<Text>,
        password_digest -> Nullable<Text>,
        primary_email_address_id -> Nullable<Text>,
        primary_phone_number_id -> Nullable<Text>,
        image_key -> Nullable<Text>,
        passkey_handle -> Nullable<Binary>,
        delete_self_enabled -> Bool,
        factors -> BigInt,
        mfa_enabled_at -> Nullable<BigInt>,
        mfa_disabled_at -> Nullable<BigInt>,
        banned -> Bool,
        locked_by -> Nullable<Text>,
        locked_until -> Nullable<BigInt>,
        last_sign_in_at -> BigInt,
        last_active_at -> BigInt,
        locale -> Nullable<Text>,
        public_metadata -> Json,
        private_metadata -> Json,
        unsafe_metadata -> Json,
        search_text -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        devices_since -> Nullable<BigInt>,
    }
}
diesel::table! { deleted_users (environment_id, id) { environment_id -> Text, id -> Text, deleted_at -> BigInt, } }
diesel::table! {
    email_addresses (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        user_id -> Text,
        email_address -> Text,
        canonical -> Text,
        verified -> Bool,
        current_challenge_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    clients (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        secret_hash -> Binary,
        previous_hash -> Nullable<Binary>,
        previous_until -> Nullable<BigInt>,
        last_active_session_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    sessions (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        client_id -> Text,
        user_id -> Text,
        status -> Text,
        ended_at -> Nullable<BigInt>,
        last_active_at -> BigInt,
        expire_at -> BigInt,
        abandon_at -> BigInt,
        first_factor -> Text,
        first_factor_at -> BigInt,
        first_factor_number -> Nullable<Text>,
        second_factor_at -> Nullable<BigInt>,
        second_factor -> Nullable<Text>,
        actor -> Nullable<Json>,
        was_test -> Bool,
        activity -> Json,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    sign_ins (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        client_id -> Text,
        status -> Text,
        identifier_kind -> Nullable<Text>,
        identifier -> Nullable<Text>,
        canonical -> Nullable<Text>,
        user_id -> Nullable<Text>,
        first_factor -> Nullable<Text>,
        first_factor_at -> Nullable<BigInt>,
        first_factor_number -> Nullable<Text>,
        invitation_id -> Nullable<Text>,
        current_challenge_id -> Nullable<Text>,
        created_session_id -> Nullable<Text>,
        abandon_at -> BigInt,
        was_test -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    sign_ups (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        client_id -> Text,
        status -> Text,
        email_address -> Nullable<Text>,
        email_verified -> Bool,
        phone_number -> Nullable<Text>,
        phone_verified -> Bool,
        proven_at -> Nullable<BigInt>,
        legal_accepted -> Bool,
        username -> Nullable<Text>,
        first_name -> Nullable<Text>,
        last_name -> Nullable<Text>,
        password_digest -> Nullable<Text>,
        unsafe_metadata -> Json,
        invitation_id -> Nullable<Text>,
        current_challenge_id -> Nullable<Text>,
        created_session_id -> Nullable<Text>,
        created_user_id -> Nullable<Text>,
        abandon_at -> BigInt,
        was_test -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    challenges (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        parent_kind -> Text,
        parent_id -> Text,
        strategy -> Text,
        step -> Text,
        status -> Text,
        attempts -> Integer,
        expire_at -> BigInt,
        target -> Nullable<Text>,
        code_mac -> Nullable<Binary>,
        nonce -> Nullable<Text>,
        ticket_hash -> Nullable<Binary>,
        redirect_url -> Nullable<Text>,
        state -> Nullable<Text>,
        options -> Nullable<Json>,
        error -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    phone_numbers (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        user_id -> Text,
        phone_number -> Text,
        verified -> Bool,
        reserved_for_second_factor -> Bool,
        default_second_factor -> Bool,
        current_challenge_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    passkeys (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        user_id -> Text,
        credential_id -> Binary,
        credential -> Text,
        nickname -> Text,
        aaguid -> Nullable<Text>,
        transports -> Json,
        last_used_at -> Nullable<BigInt>,
        removed_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    totp_secrets (environment_id, user_id) {
        environment_id -> Text,
        user_id -> Text,
        id -> Text,
        sealed_secret -> Text,
        verified_at -> Nullable<BigInt>,
        last_step -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    backup_codes (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        user_id -> Text,
        code_mac -> Binary,
        consumed_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    tickets (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        purpose -> Text,
        ticket_hash -> Binary,
        user_id -> Text,
        actor -> Nullable<Json>,
        session_max_seconds -> Nullable<BigInt>,
        status -> Text,
        expires_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    invitations (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        email_address -> Text,
        canonical -> Text,
        redirect_url -> Nullable<Text>,
        public_metadata -> Json,
        status -> Text,
        for_existing -> Bool,
        generation -> BigInt,
        link_hash -> Binary,
        mail_hash -> Nullable<Binary>,
        expires_at -> Nullable<BigInt>,
        user_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, email_addresses, phone_numbers, clients, sessions);
diesel::table! {
    listed_identifiers (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        list -> Text,
        identifier -> Text,
        match_key -> Text,
        notify -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    redirect_urls (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        url -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use super::Json;
    configuration_documents (environment_id, name) {
        environment_id -> Text,
        name -> Text,
        document -> Json,
        updated_at -> BigInt,
    }
}
