//! Values for the unit tests of this crate.

use domain::environment::{Environment, EnvironmentKind};
use domain::settings::Settings;
use domain::{EnvironmentId, NewId, ProjectId, RequestId, Timestamp};

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// An environment that lives at `https://id.example.com/wise-otter`.
pub(crate) fn environment(kind: EnvironmentKind, allowed_origins: &[&str]) -> Environment {
    Environment {
        id: EnvironmentId::new(NOW, [1; 10]),
        project_id: ProjectId::new(NOW, [2; 10]),
        name: "Sample".into(),
        slug: "sample".into(),
        kind,
        routing_label: "wise-otter".into(),
        issuer: "https://id.example.com/wise-otter".into(),
        settings: Settings {
            allowed_origins: allowed_origins.iter().map(|o| (*o).to_owned()).collect(),
            ..Settings::default()
        },
        config_version: 1,
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn request_id() -> RequestId {
    RequestId::new(NOW, [3; 10])
}
