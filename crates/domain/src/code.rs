//! Every error code that leaves the house. Codes are the contract: SDKs match on them, so a code is
//! never renamed and never used without its line here (`docs/errors.md` is made from this list).

/// A stable error code with its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// What programs match on.
    pub name: &'static str,
    /// Short text for developers.
    pub message: &'static str,
    /// Text fit for the person in front of the screen.
    pub long_message: &'static str,
}

macro_rules! codes {
    ($($constant:ident $name:literal $message:literal $long:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $message)]
            pub const $constant: Code = Code { name: $name, message: $message, long_message: $long };
        )*
        /// All of them, in the order of the list.
        pub const ALL: &[Code] = &[$($constant),*];
    };
}

codes! {
    // Transport and tenant
    ENVIRONMENT_NOT_FOUND "environment_not_found" "No environment answers at this address, or none has this id." "This address belongs to no application.";
    RESOURCE_NOT_FOUND "resource_not_found" "Nothing is here." "What you asked for does not exist.";
    METHOD_NOT_ALLOWED "method_not_allowed" "The path exists, this method on it does not." "This action is not possible here.";
    MALFORMED_JSON "malformed_json" "The body is not JSON that we read: syntax, nesting over 64, or a key named twice." "The request could not be read.";
    REQUEST_TOO_LARGE "request_too_large" "The body is over the limit of 1 MiB." "The request is too large.";
    CONTENT_TYPE_UNSUPPORTED "content_type_unsupported" "The body needs Content-Type: application/json." "The request has a format that is not supported.";
    INTERNAL_ERROR "internal_error" "Something failed on our side; the trace id names the request." "Something went wrong on our side. Please try again.";
    SERVER_BUSY "server_busy" "No room for this request at the moment; try again after Retry-After seconds." "We are very busy. Please try again in a moment.";
    RATE_LIMIT_EXCEEDED "rate_limit_exceeded" "Too many requests; try again after Retry-After seconds." "Too many attempts. Please wait a moment and try again.";
    ORIGIN_INVALID "origin_invalid" "The request's origin is not one of the environment's allowed origins." "This site may not talk to this application.";
    REDIRECT_URL_NOT_ALLOWED "redirect_url_not_allowed" "The redirect target is neither on an allowed origin nor on the allow list." "The page to return to is not allowed.";
    IDEMPOTENCY_KEY_REUSED "idempotency_key_in_use_with_different_request" "This Idempotency-Key came before with another request." "This request conflicts with an earlier one.";
    IDEMPOTENCY_IN_PROGRESS "idempotency_request_in_progress" "A request with this Idempotency-Key is still running." "This request is still being worked on.";

    // Form
    PARAM_NIL "form_param_nil" "A required parameter is missing or empty." "Please fill in all required fields.";
    PARAM_FORMAT_INVALID "form_param_format_invalid" "A parameter has the wrong type or format." "One of the fields is not in the right format.";
    PARAM_VALUE_INVALID "form_param_value_invalid" "A parameter is well-formed, but its value is not acceptable." "One of the fields has a value that is not possible.";
    PARAM_UNKNOWN "form_param_unknown" "The parameter is not known here, or switched off for this environment." "The request holds a field that is not expected.";
    NOT_A_MEMBER "not_a_member" "The person is not a member of this organization." "You are not a member of this organization.";
    PARAM_INVALID "form_param_invalid" "A parameter does not hold what its purpose needs." "One of the fields is not complete.";
    CAPTCHA_INVALID "captcha_invalid" "The captcha's proof is missing, or its provider refused it." "Please confirm that you are not a robot.";
    PRECONDITION_FAILED "precondition_failed" "If-Match names another version than the one that stands by now." "This was changed by somebody else meanwhile. Please look at it again.";
    METADATA_TOO_LARGE "metadata_too_large" "Metadata may have 8 KiB per bucket." "The additional data is too large.";
    TEST_IDENTIFIER_FORBIDDEN "test_identifier_forbidden" "Test addresses are refused in this environment." "This address cannot be used.";

    // Who is asking
    AUTHENTICATION_INVALID "authentication_invalid" "The secret key is missing, unknown, revoked or of another kind of environment." "The request is not authenticated.";
    FORBIDDEN "forbidden" "The caller is known, but may not do this." "You may not do this.";
    CLIENT_NOT_FOUND "client_not_found" "No client cookie, or one that is not valid." "Please reload the page and try again.";
    SESSION_TOKEN_MISSING "session_token_missing" "No session token and no client with a live session." "Please sign in.";
    SESSION_TOKEN_INVALID "session_token_invalid" "The session token does not verify, is expired or is of another kind." "Please sign in again.";
    SESSION_REVOKED "session_revoked" "The session is not live any more." "You have been signed out. Please sign in again.";
    SESSION_NOT_FOUND "session_not_found" "No such session." "This session does not exist.";
    SESSION_NOT_LIVE "session_not_live" "The session is over." "This session is over. Please sign in again.";
    USER_BANNED "user_banned" "The user is banned." "This account is blocked.";
    USER_LOCKED "user_locked" "Locked, by too many failures or by an operator." "This account is locked. Please try again later.";
    REVERIFICATION_REQUIRED "reverification_required" "A factor must have been proven within the last 10 minutes." "Please confirm that it is you.";
    SESSION_PENDING "session_pending" "The session waits for a second factor: enrol one, or prove the one the user has, before anything else." "Please set up a second way to confirm that it is you.";
    ACTOR_SESSION_FORBIDDEN "actor_session_forbidden" "An impersonation session may not do this." "This is not possible while acting as somebody else.";
    ALREADY_SIGNED_IN "identifier_already_signed_in" "This user is signed in on this client already, and the environment allows one session." "You are signed in already.";

    // Sign-in
    SIGN_IN_NOT_FOUND "sign_in_not_found" "No such sign-in on this client." "This sign-in does not exist. Please start again.";
    SIGN_IN_ABANDONED "sign_in_abandoned" "The sign-in is too old or was replaced by another." "This sign-in has run out. Please start again.";
    SIGN_IN_ALREADY_COMPLETE "sign_in_already_complete" "The sign-in is complete." "You are signed in already.";
    IDENTIFIER_NOT_FOUND "form_identifier_not_found" "Nobody is known by this identifier." "No account was found.";
    PASSWORD_INCORRECT "form_password_incorrect" "The password is wrong, or nobody is known by this identifier." "The password is not right. Please try again.";
    PASSWORD_VALIDATION_FAILED "form_password_validation_failed" "The password must have 8 to 1024 characters and must not be a common one." "Please choose another password: 8 characters or more, and not one that many people use.";
    PASSWORD_PWNED "form_password_pwned" "The password is on a list of breached ones." "This password has been seen in a data breach. Please choose another.";
    NEEDS_NEW_PASSWORD "needs_new_password" "A new password is due before anything else." "Please choose a new password first.";
    NOT_IN_NEEDS_NEW_PASSWORD_STATE "not_in_needs_new_password_state" "No new password is due in this state." "A new password is not needed here.";
    STRATEGY_NOT_SUPPORTED "strategy_not_supported" "The strategy is unknown or not possible in this state." "This way to sign in is not possible here.";
    TRANSFER_NOT_SUPPORTED "transfer_not_supported" "There is nothing on this client to transfer." "Please start again.";
    TICKET_INVALID "ticket_invalid" "The ticket is unknown, used or of another environment." "This link is not valid.";
    TICKET_EXPIRED "ticket_expired" "The ticket is past its time." "This link has run out.";
    MAGIC_LINK_EXPIRED "magic_link_expired" "The link was used, is past its time, or is none of ours." "This link does not work any more. Please ask for a new one.";
    HANDSHAKE_TOKEN_MISSING "handshake_token_missing" "The handshake token is empty." "Please start again.";
    HANDSHAKE_TOKEN_INVALID "handshake_token_invalid" "The handshake token does not verify, was used, or is expired." "Please start again.";

    // Challenges
    CHALLENGE_NOT_FOUND "challenge_not_found" "No such challenge under this parent." "This code request does not exist. Please ask for a new code.";
    CODE_INCORRECT "form_code_incorrect" "The code is wrong." "The code is not right. Please try again.";
    CODE_ALREADY_USED "form_code_already_used" "The backup code was used before." "This code was used already. Please take another.";
    CHALLENGE_ALREADY_CONSUMED "challenge_already_consumed" "The registration's challenge is not live any more." "This has run out. Please start again.";
    VERIFICATION_EXPIRED "verification_expired" "The challenge is past its time or was replaced by a newer one." "The code has run out. Please ask for a new one.";
    VERIFICATION_FAILED "verification_failed" "Too many wrong answers; start a new challenge." "Too many wrong tries. Please ask for a new code.";
    VERIFICATION_ALREADY_VERIFIED "verification_already_verified" "This was proven already." "This was confirmed already.";

    // Sign-up
    SIGN_UP_NOT_FOUND "sign_up_not_found" "No such sign-up on this client." "This sign-up does not exist. Please start again.";
    SIGN_UP_ABANDONED "sign_up_abandoned" "The sign-up is too old or was replaced by another." "This sign-up has run out. Please start again.";
    SIGN_UP_ALREADY_COMPLETE "sign_up_already_complete" "The sign-up is complete." "You have signed up already.";
    IDENTIFIER_EXISTS "form_identifier_exists" "Somebody has this identifier already." "This is taken already. Please choose another.";
    IDENTIFIER_NOT_ALLOWED "form_identifier_not_allowed" "The environment does not let this identifier sign up." "You cannot sign up with this address.";
    IDENTIFIER_DISPOSABLE "form_identifier_disposable" "The address is at a throw-away domain." "Please use a lasting e-mail address.";
    LEGAL_ACCEPTED_REQUIRED "legal_accepted_required" "The terms must be accepted." "Please accept the terms.";

    // Second factors
    MFA_NOT_ENABLED "mfa_not_enabled" "This second factor is switched off for the environment." "This is not used here.";
    MFA_ALREADY_VERIFIED "mfa_already_verified" "An authenticator app is enrolled already." "An authenticator app is set up already.";
    LAST_SECOND_FACTOR_NOT_REMOVABLE "last_second_factor_not_removable" "It is the only second factor the user has, and the environment requires one." "You need at least one second factor here. Set up another first.";
    TOTP_NOT_FOUND "totp_not_found" "No authenticator app is enrolled, or no enrolment is open." "No authenticator app is set up.";
    INCORRECT_CODE "incorrect_code" "The code of the authenticator app is wrong." "The code is not right. Please try again.";

    // Passkeys
    PASSKEY_NOT_SUPPORTED "passkey_not_supported" "Passkeys are switched off for this environment." "Passkeys are not used here.";
    PASSKEY_NO_CREDENTIALS "passkey_no_credentials" "The user has no passkey." "No passkey was found for this account.";
    PASSKEY_ORIGIN_MISMATCH "passkey_origin_mismatch" "The authenticator was asked by another origin." "This passkey was used on another site.";
    PASSKEY_QUOTA_EXCEEDED "passkey_quota_exceeded" "A user has 20 passkeys at most." "You cannot add any more passkeys. Please remove one first.";
    PASSKEY_REPLAYED "passkey_replayed" "The credential is known already, or its counter went backwards." "This passkey cannot be used.";
    PASSKEY_ATTESTATION_INVALID "passkey_attestation_invalid" "The new credential does not verify." "The passkey could not be set up. Please try again.";
    PASSKEY_ASSERTION_INVALID "passkey_assertion_invalid" "The assertion does not verify." "The passkey was not accepted. Please try again.";
    PASSKEY_USER_HANDLE_MISMATCH "passkey_user_handle_mismatch" "The passkey is another user's." "This passkey belongs to another account.";

    // Self-service
    PHONE_NOT_FOUND "phone_not_found" "No such phone number." "This phone number does not exist.";
    PHONE_NOT_VERIFIED "phone_not_verified" "The number must be verified first." "Please verify this phone number first.";
    PHONE_RESERVED_FOR_SECOND_FACTOR "phone_reserved_for_second_factor" "The number serves as a second factor." "This number is used to confirm sign-ins. Change that first.";
    LAST_SIGN_IN_METHOD_NOT_REMOVABLE "last_sign_in_method_not_removable" "It is the only way the user has to sign in." "You need at least one way to sign in. Add another first.";
    PASSWORD_REQUIRED "password_required" "The environment asks for a password." "A password is needed here.";
    PASSWORD_NOT_SET "password_not_set" "The user has no password." "There is no password.";
    DELETE_SELF_DISABLED "delete_self_disabled" "Users may not delete their account here." "Accounts cannot be deleted here.";
    IMAGE_TOO_LARGE "image_too_large" "The image has more than 10 MiB, or too many pixels." "The image is too large.";
    IMAGE_TYPE_UNSUPPORTED "image_type_unsupported" "The image is no PNG, JPEG, WebP or GIF that can be read." "Please choose a PNG, JPEG, WebP or GIF image.";
    EMAIL_NOT_FOUND "email_not_found" "No such e-mail address." "This e-mail address does not exist.";
    EMAIL_NOT_VERIFIED "email_not_verified" "The address must be verified first." "Please verify this e-mail address first.";
    PRIMARY_EMAIL_NOT_REMOVABLE "primary_email_not_removable" "Another address must be primary first." "Please make another e-mail address your primary one first.";
    LAST_IDENTIFIER_NOT_REMOVABLE "last_identifier_not_removable" "It is the only identifier the user has." "You need at least one way to be found. Add another first.";
    IDENTIFIER_QUOTA_EXCEEDED "identifier_quota_exceeded" "A user adds 20 e-mail addresses and 20 phone numbers at most." "You cannot add any more. Please remove one first.";
    ADD_PASSWORD_DISABLED "add_password_disabled" "Passwords are switched off for this environment." "Passwords are not used here.";

    // Backend
    USER_NOT_FOUND "user_not_found" "No such user." "This user does not exist.";
    PASSWORD_HASH_INVALID "password_hash_invalid" "The digest does not parse for the stated hasher, or costs more than we accept." "The imported password cannot be read.";
    PHONE_NUMBER_NOT_FOUND "phone_number_not_found" "No such phone number." "This phone number does not exist.";
    PHONE_NUMBER_IN_USE "phone_number_in_use" "Somebody has this phone number already." "This phone number is taken already.";
    SIGN_IN_TOKEN_NOT_FOUND "sign_in_token_not_found" "No such sign-in token." "This sign-in token does not exist.";
    ACTOR_TOKEN_NOT_FOUND "actor_token_not_found" "No such actor token." "This actor token does not exist.";
    PROJECT_NOT_FOUND "project_not_found" "No such project." "This project does not exist.";
    PROJECT_NOT_EMPTY "project_not_empty" "The project has environments: delete those first." "This project is not empty.";
    API_KEY_NOT_FOUND "api_key_not_found" "No such API key in this environment." "This key does not exist.";
    API_KEY_IN_USE "api_key_in_use" "A key does not revoke itself: use another one." "This key is in use.";
    API_KEY_SECRET_RETIRING "api_key_secret_retiring" "The secret is the one before the last rotation: until its overlap ends it does all but manage API keys. Use the new one." "This key is being replaced.";
    API_KEY_NOT_LIVE "api_key_not_live" "The key is revoked or expired." "This key does not work any more.";
    TICKET_ALREADY_USED "ticket_already_used" "The token was used already." "This token was used already.";
    INVITATION_NOT_FOUND "invitation_not_found" "No such invitation." "This invitation does not exist.";
    INVITATION_ALREADY_ACCEPTED "invitation_already_accepted" "The invitation was accepted already." "This invitation was accepted already.";
    INVITATION_FOR_EXISTING_USER "invitation_for_existing_user" "Somebody has this address already; `ignore_existing` invites them all the same." "Somebody with this address has an account already.";
    BULK_INVITATION_FAILED "bulk_invitation_failed" "A batch has 1 to 500 invitations." "These are too many invitations at once, or none.";
    SMS_TEMPLATE_NOT_FOUND "sms_template_not_found" "No SMS template has this slug." "This template does not exist.";
    EMAIL_TEMPLATE_NOT_FOUND "email_template_not_found" "No e-mail template has this slug." "This template does not exist.";
    ALLOWLIST_IDENTIFIER_NOT_FOUND "allowlist_identifier_not_found" "No such identifier on the allow list." "This identifier is not on the list.";
    BLOCKLIST_IDENTIFIER_NOT_FOUND "blocklist_identifier_not_found" "No such identifier on the block list." "This identifier is not on the list.";
    REDIRECT_URL_NOT_FOUND "redirect_url_not_found" "No such redirect URL." "This address is not on the list.";
    REDIRECT_URI_INSECURE "redirect_uri_insecure" "The address is neither https nor an app's own scheme; http is for localhost outside of production." "This address is not secure.";
    ORGANIZATION_NOT_FOUND "organization_not_found" "No such organization." "This organization does not exist.";
    INVALID_LOCALE_CODE "invalid_locale_code" "The text is no language tag." "This language is not known.";
    UNSUPPORTED_LOCALE "unsupported_locale" "The language is not offered here: it comes with the product, or with texts of its own." "This language is not offered.";
    UNKNOWN_LOCALIZATION_KEY "unknown_localization_key" "No text has this key." "This text does not exist.";
    JWT_TEMPLATE_NOT_FOUND "jwt_template_not_found" "No such JWT template." "This token template does not exist.";
    EVENT_CURSOR_EXPIRED "event_cursor_expired" "The events after this cursor are not kept any more; meta.oldest_cursor is where the log begins now." "This list begins later now. Please start again.";
    WEBHOOK_ENDPOINT_NOT_FOUND "webhook_endpoint_not_found" "No such webhook endpoint." "This webhook does not exist.";
    WEBHOOK_DELIVERY_NOT_FOUND "webhook_delivery_not_found" "No such webhook delivery; they are kept for 30 days." "This delivery does not exist.";
    WEBHOOK_URL_INSECURE "webhook_url_insecure" "The URL must be https (http for localhost in test environments), without user or fragment, at a public address." "This address cannot receive webhooks.";
    WEBHOOK_ENDPOINTS_MAX "webhook_endpoint_quota_exceeded" "An environment has 50 webhook endpoints at most." "You cannot add any more webhooks.";
    WEBHOOK_ENDPOINT_DELETED "webhook_endpoint_deleted" "The endpoint of this delivery was deleted." "This webhook was deleted.";
    WEBHOOK_BODY_GONE "webhook_body_gone" "What was sent held a credential, or its event is past its retention: it cannot be sent again." "This cannot be sent again.";
    JWT_TEMPLATE_NAME_TAKEN "jwt_template_name_taken" "Another JWT template has this name." "This name is taken already.";
    JWT_TEMPLATE_PRIVATE_METADATA_REJECTED "jwt_template_private_metadata_rejected" "Claims may not read private metadata." "Private data cannot stand in a token.";
    JWT_TEMPLATE_SIGNING_KEY_INVALID "jwt_template_signing_key_invalid" "The signing key is missing, does not fit the algorithm, or is too weak." "The signing key cannot be used.";
    JWT_TEMPLATE_TOO_LARGE "jwt_template_too_large" "The token would pass 4096 bytes." "The token is too large.";
    MESSAGE_NOT_FOUND "message_not_found" "No such message in the inbox." "This message does not exist.";
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_code_has_one_line_and_a_plain_name() {
        for (i, code) in ALL.iter().enumerate() {
            assert!(code.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", code.name);
            assert!(ALL[i + 1..].iter().all(|other| other.name != code.name), "{} twice", code.name);
        }
    }
}
