//! The benchmark runs, briefly, and what it says of events adds up. How fast anything is, it says of no debug build.

use crate::readme::dev::command;
use serde_json::Value;
use testkit::{TestDatabase, Turn};

/// Measures for a second what has to do with events, on a database of its own.
async fn measured(database: &str) -> Value {
    let mut bench = command(env!("CARGO_BIN_EXE_latchkey"));
    bench.args(["bench", "--json", "--database", database]);
    bench.args(["--users", "100", "--seconds", "1", "--rounds", "1", "--connections", "4"]);
    for kind in ["pull", "write", "webhooks", "outbox"] {
        bench.args(["--only", kind]);
    }
    bench.envs([("LATCHKEY_PASSWORDS__MEMORY_KIB", "64"), ("LATCHKEY_PASSWORDS__ITERATIONS", "1")]);
    let output = bench.output().await.expect("the binary was built");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("no line of JSON: {error}: {said}"))
}

fn positive(value: &Value) -> f64 {
    let number = value.as_f64().unwrap_or_default();
    assert!(number > 0.0, "{value} is no measurement");
    number
}

fn adds_up(found: &Value) {
    let rows = found["requests"].as_array().expect("rows");
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, ["BAPI write", "BAPI write, 3 webhooks"]);
    for row in rows {
        assert!(positive(&row["requests_per_second"]) > 0.0 && positive(&row["p50_ms"]) <= positive(&row["p99_ms"]));
    }

    // Which events they are, the benchmark looks at by itself: it fails where the endpoints disagree.
    let deliveries = found["deliveries"].as_array().expect("deliveries");
    let paces: Vec<&str> = deliveries.iter().filter_map(|row| row["pace"].as_str()).collect();
    assert_eq!(paces, ["steady", "full load"]);
    for row in deliveries {
        let writes = row["writes"].as_u64().expect("a count");
        assert!(writes > 0 && row["wanted"] == writes * 3 && row["delivered"] == row["wanted"], "{row}");
        assert!(row["drained_s"].is_f64() && row["again"] == 0, "{row}");
        assert!(positive(&row["lag_p50_ms"]) <= positive(&row["lag_p99_ms"]), "{row}");
        positive(&row["deliveries_per_second"]);
    }

    let pull = &found["pull"];
    assert!(pull["events"].as_u64() >= Some(100), "one for each of the people at least: {pull}");
    assert!(positive(&pull["events_per_second"]) > 0.0 && positive(&pull["passes"]) >= 1.0);

    let outbox = found["outbox"].as_array().expect("comparisons");
    assert_eq!(outbox.iter().filter_map(|row| row["writers"].as_u64()).collect::<Vec<_>>(), [1, 4]);
    for row in outbox {
        let (without, with) = (positive(&row["without_us"]["median"]), positive(&row["with_us"]["median"]));
        let difference = row["difference_us"]["median"].as_f64().expect("a number");
        assert!((with - without - difference).abs() < 0.01, "one round is a plain difference: {row}");
        positive(&row["ratio"]["median"]);
    }
    positive(&found["placing_an_event_us"]["median"]);
    assert_eq!(found["conditions"]["optimized"], false);
}

mod the_benchmark_counts_every_delivery {
    use super::*;

    #[actix_web::test]
    async fn sqlite() {
        let found = measured("sqlite").await;
        assert_eq!(found["conditions"]["database"], "sqlite");
        adds_up(&found);
    }

    #[actix_web::test]
    async fn postgres() {
        let Some(_turn) = Turn::take() else { return };
        let Some(database) = TestDatabase::empty_on_postgres().await else { return };
        let found = measured(database.url()).await;
        assert_eq!(found["conditions"]["database"], "postgres");
        adds_up(&found);
    }
}
