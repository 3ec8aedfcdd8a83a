//! Files that people upload: in a folder of this machine, or in a bucket that speaks S3.

use bytes::Bytes;
use crypto::Secret;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where files lie.
#[derive(Debug, Clone)]
pub enum ObjectSettings {
    /// In a folder, made when the first file comes.
    Folder(PathBuf),
    /// In a bucket.
    S3(S3Settings),
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// Its name.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// The server, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// The key, and its secret; none asks the machine for its role.
    pub credentials: Option<(String, Secret<String>)>,
    /// Whether the server is spoken to without TLS.
    pub allow_http: bool,
}

/// Why a file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The folder cannot be made.
    #[error("the folder of objects cannot be used")]
    Folder(#[from] std::io::Error),
    /// The store failed, or is not set up right.
    #[error("the store of objects cannot be used")]
    Store(#[from] object_store::Error),
}

/// A store of files.
#[derive(Clone)]
pub struct Objects(Arc<Kept>);

struct Kept {
    /// Made at the first use: a process that never stores anything needs no folder.
    folder: Option<PathBuf>,
    store: OnceLock<Arc<dyn ObjectStore>>,
}

impl Objects {
    /// A store where the settings say; a folder is made when it is needed.
    pub fn new(settings: ObjectSettings) -> Result<Self, ObjectError> {
        Ok(match settings {
            ObjectSettings::Folder(folder) => Self(Arc::new(Kept { folder: Some(folder), store: OnceLock::new() })),
            ObjectSettings::S3(settings) => Self::over(bucket(settings)?),
        })
    }

    /// A store in memory: for tests.
    pub fn in_memory() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self(Arc::new(Kept { folder: None, store: store.into() }))
    }

    fn store(&self) -> Result<&Arc<dyn ObjectStore>, ObjectError> {
        if let (None, Some(folder)) = (self.0.store.get(), &self.0.folder) {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
            let store = LocalFileSystem::new_with_prefix(folder)?;
            return Ok(self.0.store.get_or_init(|| Arc::new(store)));
        }
        Ok(self.0.store.get().expect("a store without a folder was made with the value"))
    }

    /// Writes a file, in place of one that is there.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.store()?.put(&Path::from(name), bytes.into()).await?;
        Ok(())
    }

    /// Reads a file; none when there is none.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectError> {
        match self.store()?.get(&Path::from(name)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a file; one that is not there is deleted.
    pub async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match self.store()?.delete(&Path::from(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn bucket(settings: S3Settings) -> Result<Arc<dyn ObjectStore>, ObjectError> {
    let options = ClientOptions::new().with_timeout(Duration::from_secs(30)).with_allow_http(settings.allow_http);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(settings.bucket)
        .with_region(settings.region)
        .with_client_options(options);
    if let Some(endpoint) = settings.endpoint {
        // Other makers' servers know a bucket by its path.
        builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
    }
    if let Some((key, secret)) = settings.credentials {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret.expose());
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Reply, Stranger};

    #[tokio::test]
    async fn a_file_is_kept_until_it_is_deleted_wherever_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a/b");
        for objects in [Objects::in_memory(), Objects::new(ObjectSettings::Folder(inside.clone())).unwrap()] {
            assert_eq!(objects.get("env_1/x.png").await.unwrap(), None);
            objects.put("env_1/x.png", b"first".to_vec()).await.unwrap();
            objects.put("env_1/x.png", b"second".to_vec()).await.unwrap();
            assert_eq!(objects.get("env_1/x.png").await.unwrap().as_deref(), Some(&b"second"[..]));
            objects.delete("env_1/x.png").await.unwrap();
            objects.delete("env_1/x.png").await.unwrap();
            assert_eq!(objects.get("env_1/x.png").await.unwrap(), None);
        }
        assert!(inside.is_dir());
    }

    #[tokio::test]
    async fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let objects = Objects::new(ObjectSettings::Folder(folder.path().join("objects"))).unwrap();
        for name in ["../secret", "/../secret", "a/../../secret", "%2e%2e/secret", "..%2fsecret"] {
            assert!(!matches!(objects.get(name).await, Ok(Some(_))), "{name}");
        }
    }

    #[tokio::test]
    async fn a_bucket_is_asked_with_a_signature() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let stranger = Stranger::start().await.unwrap();
        stranger.answers(|asked| match asked.method.as_str() {
            "PUT" => Reply::new(200, "").header("etag", "\"1\""),
            _ => Reply::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
        });
        let objects = Objects::new(ObjectSettings::S3(S3Settings {
            bucket: "images".to_owned(),
            region: "eu-central-1".to_owned(),
            endpoint: Some(stranger.url()),
            credentials: Some(("AKIA1".to_owned(), Secret::new("hunter2".to_owned()))),
            allow_http: true,
        }))
        .unwrap();

        objects.put("env_1/x.png", b"bytes".to_vec()).await.unwrap();
        assert_eq!(objects.get("env_1/y.png").await.unwrap(), None);

        let asked = stranger.asked();
        assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("PUT", "/images/env_1/x.png"));
        assert_eq!(asked[0].body, b"bytes");
        assert!(asked[0].header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=AKIA1/"));
        assert!(!format!("{asked:?}").contains("hunter2"));
    }
}
