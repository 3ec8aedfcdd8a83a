use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Created,
    Updated,
}

const ORDERS: &[(&str, Key)] = &[("created_at", Key::Created), ("updated_at", Key::Updated)];

fn paging(query: &str) -> Result<Paging<Key>, ApiError> {
    let mut params = Params::new(query);
    params.all("email_address", |t| Ok::<_, ()>(t.to_owned()));
    params.text("query", SEARCH_MAX);
    let paging = params.paging("users", ORDERS);
    params.finish(paging)
}

fn told<T>(result: Result<T, ApiError>) -> Vec<String> {
    let error = result.err().expect("a refusal");
    error.refused().iter().map(|p| format!("{}: {}", p.meta["param"].as_str().unwrap(), p.code.name)).collect()
}

#[test]
fn names_may_be_repeated_with_and_without_brackets() {
    let mut params = Params::new("a=1&a[]=2&a%5B%5D=3&a=&b=x");
    assert_eq!(params.all("a", str::parse::<u8>), [1, 2, 3]);
    assert!(params.finish(Some(())).is_ok(), "an empty value is an absent one");
}

#[test]
fn what_nobody_asked_for_is_ignored() {
    assert!(paging("nonsense=%00&other[]=1").is_ok());
}

#[test]
fn all_problems_of_a_query_are_told() {
    let mut params = Params::new("flag=yes&number=1.5&one=1&one=2&null=%00&word=x&many=1&many=a");
    params.boolean("flag");
    params.integer("number");
    params.text("one", 9);
    params.text("null", 9);
    params.choice("word", |w| (w == "y").then_some(()));
    params.all("many", str::parse::<u8>);
    assert_eq!(
        told(params.finish(Some(()))),
        [
            "flag: form_param_format_invalid",
            "number: form_param_format_invalid",
            "one: form_param_format_invalid",
            "null: form_param_format_invalid",
            "word: form_param_value_invalid",
            "many: form_param_format_invalid",
        ]
    );
}

#[test]
fn truth_has_four_spellings() {
    let read = |query: &str| Params::new(query).boolean("x");
    assert_eq!(
        [read("x=true"), read("x=1"), read("x=false"), read("x=0"), read("x=")],
        [Some(true), Some(true), Some(false), Some(false), None]
    );
}

#[test]
fn a_limit_is_clamped_and_must_be_a_number() {
    for (query, limit) in [
        ("", 10),
        ("limit=25", 25),
        ("limit=0", 1),
        ("limit=-3", 1),
        ("limit=501", 500),
        ("limit=99999999999999999999", 500),
    ] {
        assert_eq!(paging(query).unwrap().parts().1, limit, "{query}");
    }
    for bad in ["ten", "1.0", "-", "0x10", "1e3"] {
        assert_eq!(told(paging(&format!("limit={bad}"))), ["limit: form_param_format_invalid"], "{bad}");
    }
}

#[test]
fn a_cursor_and_an_offset_do_not_go_together() {
    assert_eq!(told(paging("cursor=abc&offset=0")), ["cursor: form_param_format_invalid"]);
    assert_eq!(paging("cursor=abc").unwrap().parts().3, Some("abc"));
    assert_eq!(paging("offset=-1").unwrap().parts().2, 0);
}

#[test]
fn an_order_is_a_sign_and_a_known_key() {
    let order = |query: &str| paging(query).unwrap().parts().0;
    let newest = Order { key: Key::Created, direction: Direction::Descending };
    let oldest = Order { key: Key::Updated, direction: Direction::Ascending };
    assert_eq!(order(""), newest);
    assert_eq!(order("order_by=-created_at"), newest);
    for spelling in ["updated_at", "%2Bupdated_at", "+updated_at", "%20updated_at"] {
        assert_eq!(order(&format!("order_by={spelling}")), oldest, "{spelling}");
    }
    for bad in ["password", "--created_at", "created_at,updated_at", "CREATED_AT"] {
        assert_eq!(told(paging(&format!("order_by={bad}"))), ["order_by: form_param_value_invalid"], "{bad}");
    }
}

#[test]
fn a_cursor_is_bound_to_list_order_and_filters_and_to_nothing_else() {
    let binding = |query: &str| paging(query).unwrap().parts().4.to_owned();
    let one = binding("email_address=a&email_address=b&query=x");
    assert_eq!(one, binding("query=x&email_address[]=b&email_address=a&limit=7&unknown=1&cursor=zzz"));
    assert_ne!(one, binding("email_address=a&query=x"));
    assert_ne!(one, binding("email_address=a&email_address=b&query=x&order_by=created_at"));
    assert_ne!(
        binding("query=a%26email_address%3Db"),
        binding("query=a&email_address=b"),
        "values cannot pose as names"
    );
}

#[test]
fn filters_are_bounded() {
    let many = "email_address=a&".repeat(VALUES_MAX + 1);
    assert_eq!(told(paging(&many)), ["email_address: form_param_value_invalid"]);
    assert_eq!(told(paging(&format!("query={}", "x".repeat(SEARCH_MAX + 1)))), ["query: form_param_format_invalid"]);
    assert!(paging(&"z=1&".repeat(20_000)).is_ok());
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused(query in "([a-z_]{0,8}(%[0-9a-fA-F]{0,2})?(\\[\\])?=?[ -~]{0,12}&?){0,6}|\\PC{0,40}") {
        let mut params = Params::new(&query);
        params.boolean("a");
        params.timestamp("b");
        params.choices("c", |w| w.parse::<u8>().ok());
        let paging = params.paging("users", ORDERS);
        if let Ok(paging) = params.finish(paging) {
            let (_, limit, offset, ..) = paging.parts();
            prop_assert!((1..=500).contains(&limit) && offset >= 0);
        }
    }
}
