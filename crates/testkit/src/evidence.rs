//! What a database keeps, as text: evidence for and against canaries.

use crate::database::TestDatabase;
use anydb::Tx;
use engine::Engine;
use tokio_postgres::{NoTls, SimpleQueryMessage};

pub(crate) async fn database_text(data: &TestDatabase) -> String {
    match data.folder() {
        Some(folder) => files_text(folder),
        None => tables_text(data.url()).await,
    }
}

/// The files as they are, the log beside the database included.
fn files_text(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).expect("the folder of the database is there");
    let bytes = entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Every row of every table, by the server's own text form.
async fn tables_text(url: &str) -> String {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database answers");
    let serving = tokio::spawn(connection);
    let names = "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'";
    let mut text = String::new();
    for name in column(&client, names).await {
        for row in column(&client, &format!("SELECT row_to_json(t)::text FROM public.{name} t")).await {
            text.push_str(&row);
            text.push('\n');
        }
    }
    drop(client);
    serving.abort();
    text
}

async fn column(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    rows.collect()
}

pub(crate) async fn tamper(engine: &Engine, sql: String) -> usize {
    let work = async move |tx: &mut Tx<'_>| anydb::native::execute(tx, &sql).await;
    engine.db().write(work).await.expect("the statement is one of both engines")
}
