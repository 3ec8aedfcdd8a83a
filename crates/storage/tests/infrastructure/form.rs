//! A database that lacks a migration does not fit.

use diesel_async::SimpleAsyncConnection;
use storage::{Error, Handle, Tx};

crate::on_both_engines! { a_database_that_lacks_the_newest_migration_does_not_fit }

async fn a_database_that_lacks_the_newest_migration_does_not_fit(db: &Handle) {
    assert!(storage::form::fits(&mut db.read().await.unwrap()).await.unwrap());

    let newest = "DELETE FROM __diesel_schema_migrations WHERE version = \
                  (SELECT MAX(version) FROM __diesel_schema_migrations)";
    db.write(async move |tx: &mut Tx<'_>| Ok::<_, Error>(tx.batch_execute(newest).await?)).await.unwrap();

    assert!(!storage::form::fits(&mut db.read().await.unwrap()).await.unwrap());
}
