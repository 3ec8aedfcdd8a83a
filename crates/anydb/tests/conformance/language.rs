//! What a PostgreSQL server says is read, so it has to say it in English.
use crate::place::{Place, admin, runtime, with_postgres};
use anydb::{Error, Handle, Tx};
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;

async fn language(handle: &Handle) -> String {
    let asked = diesel::select(diesel::dsl::sql::<Text>("current_setting('lc_messages')"));
    asked.get_result(&mut *handle.read().await.unwrap()).await.unwrap()
}

fn name(url: &str) -> String {
    url::Url::parse(url).unwrap().path().trim_start_matches('/').to_owned()
}

mod each_connection_asks_for_messages_in_english {
    use super::*;
    #[test]
    fn postgres() {
        runtime().block_on(with_postgres(async |url| {
            admin(&url, &format!("ALTER DATABASE {} SET lc_messages = 'POSIX'", name(&url))).await;
            let place = Place::open(url).await;

            assert_eq!(language(&place.handle).await, "C");
            let written = place.handle.write(async |tx: &mut Tx<'_>| {
                let asked = diesel::select(diesel::dsl::sql::<Text>("current_setting('lc_messages')"));
                Ok::<_, Error>(asked.get_result::<String>(tx).await?)
            });
            assert_eq!(written.await.unwrap(), "C");
        }));
    }
}

mod a_role_that_may_not_ask_is_served_all_the_same {
    use super::*;
    #[test]
    fn postgres() {
        runtime().block_on(with_postgres(async |url| {
            let role = format!("{}_plain", name(&url));
            admin(&url, &format!("ALTER DATABASE {} SET lc_messages = 'POSIX'", name(&url))).await;
            admin(&url, &format!("CREATE ROLE {role} LOGIN PASSWORD 'plain'; GRANT ALL ON SCHEMA public TO {role}"))
                .await;
            let mut own = url::Url::parse(&url).unwrap();
            own.query_pairs_mut().append_pair("user", &role).append_pair("password", "plain");

            let place = Place::open(own.into()).await;
            let language = language(&place.handle).await;
            drop(place);
            admin(&url, &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;

            assert_eq!(language, "POSIX");
        }));
    }
}
