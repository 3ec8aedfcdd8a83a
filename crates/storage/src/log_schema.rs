//! The tables of the event log, the job queue and what else the platform keeps for itself.

diesel::table! {
    events (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        serial -> BigInt,
        position -> Nullable<BigInt>,
        #[sql_name = "type"]
        event_type -> Text,
        version -> Integer,
        subject_type -> Text,
        subject_id -> Text,
        actor_id -> Nullable<Text>,
        impersonator -> Nullable<Text>,
        surface -> Text,
        trace_id -> Text,
        created_at -> BigInt,
        was_test -> Bool,
        data_sha256 -> Binary,
        is_event -> Bool,
        outcome -> Text,
        actor_type -> Text,
        organization_id -> Nullable<Text>,
        changed_fields -> Text,
        origin_ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        reason -> Nullable<Text>,
        omitted -> BigInt,
        audit_sequence -> Nullable<BigInt>,
        prev_hash -> Nullable<Text>,
        hash -> Nullable<Text>,
    }
}
diesel::table! {
    event_payloads (environment_id, event_id) {
        environment_id -> Text,
        event_id -> Text,
        data -> Text,
    }
}
diesel::table! {
    event_positions (environment_id) {
        environment_id -> Text,
        last_position -> BigInt,
        last_audit_sequence -> BigInt,
        last_hash -> Text,
        head_tag -> Nullable<Text>,
    }
}
diesel::table! {
    audit_anchors (environment_id) {
        environment_id -> Text,
        audit_sequence -> BigInt,
        position -> BigInt,
        hash -> Text,
        tag -> Text,
        deleted_at -> BigInt,
    }
}
diesel::table! {
    jobs (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        kind -> Text,
        payload -> Text,
        run_at -> BigInt,
        attempts -> Integer,
        max_attempts -> Integer,
        leased_until -> Nullable<BigInt>,
        lease_owner -> Nullable<Text>,
        last_error -> Nullable<Text>,
        dead_at -> Nullable<BigInt>,
    }
}
diesel::table! {
    idempotency_keys (environment_id, claim) {
        environment_id -> Text,
        claim -> Binary,
        fingerprint -> Binary,
        owner -> Text,
        expires_at -> BigInt,
        status -> Nullable<Integer>,
        body -> Nullable<Text>,
        sealed -> Bool,
        subject_id -> Nullable<Text>,
        etag -> Nullable<Text>,
    }
}
diesel::table! {
    counts (environment_id, counter) {
        environment_id -> Text,
        counter -> Text,
        total -> BigInt,
    }
}
diesel::table! {
    count_deltas (environment_id, id) {
        environment_id -> Text,
        id -> Binary,
        counter -> Text,
        delta -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use anydb::Json;
    message_templates (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        channel -> Text,
        slug -> Text,
        texts -> Json,
        delivered_by_us -> Bool,
        from_number_override -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    event_texts (environment_id, event_id) {
        environment_id -> Text,
        event_id -> Text,
        sealed -> Text,
        expires_at -> BigInt,
    }
}
diesel::table! {
    leases (name) {
        name -> Text,
        owner -> Text,
        expires_at -> BigInt,
    }
}
diesel::table! {
    failure_counters (environment_id, identity, purpose) {
        environment_id -> Text,
        identity -> Text,
        purpose -> Text,
        window_started_at -> BigInt,
        failures -> Integer,
        locked_until -> Nullable<BigInt>,
        expires_at -> BigInt,
    }
}
diesel::table! {
    use diesel::sql_types::*;
    use anydb::Json;
    webhook_endpoints (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        url -> Text,
        patterns -> Json,
        include_meta -> Bool,
        enabled -> Bool,
        disabled_at -> Nullable<BigInt>,
        active_after -> BigInt,
        secret -> Text,
        secret_prefix -> Text,
        old_secret -> Nullable<Text>,
        old_secret_until -> Nullable<BigInt>,
        failing_since -> Nullable<BigInt>,
        due_at -> BigInt,
        served_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
diesel::table! {
    webhook_queue (environment_id, event_id, endpoint_id) {
        environment_id -> Text,
        event_id -> Text,
        endpoint_id -> Text,
        event_type -> Text,
        sequence -> BigInt,
        subject_id -> Text,
        head -> Bool,
        due_at -> BigInt,
        lease_owner -> Nullable<Text>,
        attempts -> Integer,
        delivery_id -> Nullable<Text>,
        with_meta -> Bool,
        with_text -> Bool,
        sample -> Nullable<Text>,
    }
}
diesel::table! {
    webhook_deliveries (environment_id, id) {
        environment_id -> Text,
        id -> Text,
        endpoint_id -> Text,
        event_id -> Text,
        event_type -> Text,
        attempt -> Integer,
        response_status -> Nullable<Integer>,
        response_body -> Nullable<Text>,
        next_retry_at -> Nullable<BigInt>,
        succeeded -> Bool,
        with_meta -> Bool,
        with_text -> Bool,
        sample -> Nullable<Text>,
        created_at -> BigInt,
    }
}
diesel::table! {
    webhook_cursors (environment_id) {
        environment_id -> Text,
        position -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(events, event_payloads);
