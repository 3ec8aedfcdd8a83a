//! Text: orders, comparisons and searches mean the same on both engines.
use crate::both;
use crate::place::Place;
use crate::schema::{Person, insert, people};
use anydb::{Error, Tx, bytewise, contains};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;

const NAMES: [&str; 10] = ["", " a", "A", "Z", "_", "a", "a b", "z", "é", "🦀"];

async fn write_names(place: &Place, names: &[&str]) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    place
        .handle
        .write(async move |tx: &mut Tx<'_>| {
            for (n, name) in names.iter().rev().enumerate() {
                let mut person = Person::new(&n.to_string());
                person.name.clone_from(name);
                person.nick = Some(format!("{name}#{n}"));
                insert(tx, &person).await?;
            }
            Ok::<_, Error>(())
        })
        .await
        .unwrap();
}

both! {
    async fn bytewise_text_orders_by_its_bytes(place) {
        let mut sorted = NAMES;
        sorted.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        place.handle.write(async |tx: &mut Tx<'_>| {
            for (n, name) in NAMES.iter().rev().enumerate() {
                let mut person = Person::new(&n.to_string());
                person.name = (*name).to_owned();
                insert(tx, &person).await?;
            }
            Ok::<_, Error>(())
        }).await.unwrap();
        let mut reader = place.handle.read().await.unwrap();

        let up: Vec<String> = people::table.select(people::name).order(bytewise(people::name).asc())
            .load(&mut *reader).await.unwrap();
        let down: Vec<String> = people::table.select(people::name)
            .order((bytewise(people::name).desc(), people::id)).load(&mut *reader).await.unwrap();
        let after: Vec<String> = people::table.select(people::name)
            .filter(bytewise(people::name).gt("_")).order(bytewise(people::name).asc())
            .load(&mut *reader).await.unwrap();

        assert_eq!(up, sorted);
        assert_eq!(down, sorted.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(after, ["a", "a b", "z", "é", "🦀"]);
    }

    async fn a_substring_is_found_letter_by_letter(place) {
        write_names(place, &["100% wool", "Wool", "wo_l", "w\\l", "Straße"]).await;
        let mut reader = place.handle.read().await.unwrap();

        let mut found: Vec<(&str, Vec<String>)> = Vec::new();
        for needle in ["wool", "%", "_", "\\", "ß", "SS", "", "1__%"] {
            let names: Vec<String> = people::table.filter(contains(people::name, needle))
                .filter(contains(people::nick, needle))
                .select(people::name).order(bytewise(people::name).asc())
                .load(&mut *reader).await.unwrap();
            found.push((needle, names));
        }

        let all = ["100% wool", "Straße", "Wool", "w\\l", "wo_l"];
        assert_eq!(found, [
            ("wool", vec!["100% wool".to_owned()]),
            ("%", vec!["100% wool".to_owned()]),
            ("_", vec!["wo_l".to_owned()]),
            ("\\", vec!["w\\l".to_owned()]),
            ("ß", vec!["Straße".to_owned()]),
            ("SS", vec![]),
            ("", all.map(str::to_owned).to_vec()),
            ("1__%", vec![]),
        ]);
    }

    async fn like_minds_the_case_and_its_escape(place) {
        write_names(place, &["100%", "100x", "abc", "ABC"]).await;
        let mut reader = place.handle.read().await.unwrap();

        let percent: Vec<String> = people::table.filter(people::name.like("1__!%").escape('!'))
            .select(people::name).load(&mut *reader).await.unwrap();
        let lower: Vec<String> = people::table.filter(people::name.like("a%"))
            .select(people::name).load(&mut *reader).await.unwrap();

        assert_eq!((percent, lower), (vec!["100%".to_owned()], vec!["abc".to_owned()]));
    }
}
