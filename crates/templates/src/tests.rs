use super::*;
use proptest::prelude::*;
use serde_json::json;

fn values(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => panic!("not an object"),
    }
}

fn rendered(source: &str, of: Value) -> String {
    Template::parse(source, Dialect::Message).unwrap().render(&values(of), Output::TEXT).unwrap()
}

fn refused(source: &str, dialect: Dialect) -> (u32, &'static str) {
    let error = Template::parse(source, dialect).unwrap_err();
    (error.line, error.meaning.as_str())
}

fn stopped(source: &str, of: Value, output: Output) -> &'static str {
    let template = Template::parse(source, Dialect::Message).unwrap();
    template.render(&values(of), output).unwrap_err().meaning.as_str()
}

#[test]
fn values_are_shown_and_unknown_ones_are_empty() {
    let of = json!({ "a": { "b": [10, "x", { "c": true }] }, "n": 1.5, "k": "b", "s": "höher" });
    for (source, wanted) in [
        ("plain } text %} }}", "plain } text %} }}"),
        ("<{{ a.b[0] }}|{{a.b[ 1 ]}}|{{ a['b'][2].c }}>", "<10|x|true>"),
        ("{{ a[k][1] }} {{ a.b.first }} {{ a.b.size }} {{ s.size }} {{ a.b[-1].c }}", "x 10 3 5 true"),
        ("[{{ nothing.at.all }}][{{ a.b[9] }}][{{ nil }}]", "[][][]"),
        ("{{ n }} {{ 'it\"s' }} {{ -3 }} {{ true }}", "1.5 it\"s -3 true"),
        ("{{ a.b }}", "[10,\"x\",{\"c\":true}]"),
        ("{{ '}}' }}", "}}"),
        ("a \n {{- 'x' -}} \n b", "axb"),
        ("a {%- if true -%} b {%- endif -%} c", "abc"),
        ("{% raw %}{{ a }}{% if %}{% endraw %}", "{{ a }}{% if %}"),
        ("a {%- raw -%} b {%- endraw -%} c", "abc"),
        ("x{% comment %}{{ | }}{% nonsense {% endcomment %}y", "xy"),
    ] {
        assert_eq!(rendered(source, of.clone()), wanted, "{source}");
    }
}

#[test]
fn filters_change_values() {
    let of = json!({ "name": "  Ann Lee ", "list": ["b", "a"], "at": 1_700_000_000_123_i64, "empty": "" });
    for (source, wanted) in [
        ("{{ name | strip | upcase | append: '!' | prepend: '<' }}", "<ANN LEE!"),
        ("{{ 'aXbXc' | split: 'X' | join: '-' }} {{ list | join }}", "a-b-c b a"),
        ("{{ 'ann' | capitalize }} {{ 'ANN' | downcase }}", "Ann ann"),
        ("{{ empty | default: 'x' }}{{ none | default: list | first }}{{ 0 | default: 1 }}", "xb0"),
        ("{{ 'abcdef' | truncate: 5 }} {{ 'abcdef' | truncate: 3, '' }} {{ 'äöü' | truncate: 3 }}", "ab... abc äöü"),
        ("{{ 'a.b' | replace: '.', '--' }} {{ 'abc' | replace: '', 'x' }}", "a--b abc"),
        ("{{ at | date_unix }} {{ 'x' | date_unix }}", "1700000000 "),
        ("{{ list | json }} {{ 'a\"b' | json }}", "[\"b\",\"a\"] \"a\\\"b\""),
        ("{{ 'a b&ü/~' | urlencode }}", "a%20b%26%C3%BC%2F~"),
        ("{{ list | size }} {{ 'äb' | size }} {{ list | last }} {{ 'äb' | first }}", "2 2 a ä"),
    ] {
        assert_eq!(rendered(source, of.clone()), wanted, "{source}");
    }
}

#[test]
fn tags_choose_and_repeat() {
    let of = json!({ "yes": true, "n": 3, "s": "abc", "list": ["x", "y", "z"], "none": [] });
    for (source, wanted) in [
        ("{% if yes %}a{% else %}b{% endif %}", "a"),
        ("{% if no %}a{% elsif n > 2 and s contains 'b' %}b{% else %}c{% endif %}", "b"),
        ("{% if false and false or true %}a{% else %}b{% endif %}", "b"),
        ("{% unless n == 3.0 %}a{% else %}b{% endunless %}", "b"),
        ("{% if none == empty and no == blank and s != empty %}a{% endif %}", "a"),
        ("{% if n <= 3 and n >= 3 and n <> 4 and s < 'b' %}a{% endif %}", "a"),
        ("{% if s > 1 %}a{% else %}b{% endif %}", "b"),
        ("{% case n %}text{% when 1, 2 %}a{% when 3 or 4 %}b{% else %}c{% endcase %}", "b"),
        ("{% case s %}{% when 'x' %}a{% else %}c{% endcase %}", "c"),
        (
            "{% for e in list %}{{ forloop.index }}{{ e }}{% unless forloop.last %},{% endunless %}{% endfor %}",
            "1x,2y,3z",
        ),
        ("{% for e in list limit: 2 %}{{ e }}{% endfor %}{% for e in none %}x{% else %}none{% endfor %}", "xynone"),
        ("{% for e in s %}{{ e }}{% endfor %}{{ forloop.index }}", ""),
        (
            "{% assign p = s | split: '' %}{% for a in p %}{% for b in p %}{{ a }}{{ b }} {% endfor %}{% endfor %}",
            "aa ab ac ba bb bc ca cb cc ",
        ),
        ("{% assign x = 'a' %}{% if yes %}{% assign x = x | append: 'b' %}{% endif %}{{ x }}", "ab"),
    ] {
        assert_eq!(rendered(source, of.clone()), wanted, "{source}");
    }
}

#[test]
fn an_error_names_its_line_and_what_is_wrong() {
    for (source, line, meaning) in [
        ("a\nb {{ x", 2, "unclosed"),
        ("{{ 'x }}", 1, "unclosed"),
        ("\n\n{% if x %}", 3, "block_not_closed"),
        ("{% raw %}{{", 1, "block_not_closed"),
        ("{% endif %}", 1, "misplaced"),
        ("{% if x %}{% endfor %}{% endif %}", 1, "misplaced"),
        ("{% if x %}{% else %}{% else %}{% endif %}", 1, "misplaced"),
        ("x\n{% include 'a' %}", 2, "unknown_tag"),
        ("{% render 'a' %}", 1, "unknown_tag"),
        ("{% %}", 1, "unknown_tag"),
        ("{{ x | strftime }}", 1, "unknown_filter"),
        ("{{ x | escape }}", 1, "unknown_filter"),
        ("{{ x | append }}", 1, "filter_arguments"),
        ("{% for i in (1..1000000) %}{% endfor %}", 1, "range_not_allowed"),
        ("{{ 1..3 }}", 1, "range_not_allowed"),
        ("{{ }}", 1, "expression"),
        ("{{ a b }}", 1, "expression"),
        ("{{ a.'b' }}", 1, "expression"),
        ("{{ 99999999999999999999 }}", 1, "expression"),
        ("{% if a = b %}{% endif %}", 1, "expression"),
        ("{% assign x %}", 1, "expression"),
        ("{% if a %}{% endif x %}", 1, "expression"),
        ("{{ ü }}", 1, "expression"),
    ] {
        assert_eq!(refused(source, Dialect::Message), (line, meaning), "{source}");
    }
}

#[test]
fn claims_have_output_and_the_closed_set_of_filters_only() {
    assert_eq!(refused("{% if true %}{% endif %}", Dialect::Claims), (1, "tag_not_allowed"));
    assert_eq!(refused("\n{%", Dialect::Claims), (2, "unclosed"));
    assert_eq!(refused("{{ a | append: 'x' }}", Dialect::Claims), (1, "unknown_filter"));
    assert_eq!(refused("{{ user[session.id] }}", Dialect::Claims), (1, "computed_name"));
    let template = Template::parse("{{ user['public_metadata'].x }} {{ user.id | default: env.id }}", Dialect::Claims);
    let paths: Vec<String> = template.unwrap().paths().map(str::to_owned).collect();
    assert_eq!(paths, ["env.id", "user.id", "user.public_metadata.x"]);
}

#[test]
fn one_placeholder_keeps_the_type_of_its_value() {
    let of = values(json!({ "n": 7, "o": { "a": [true] }, "s": "x" }));
    for (source, wanted) in [
        ("{{ n }}", json!(7)),
        ("{{ o }}", json!({ "a": [true] })),
        ("{{ o.a.first }}", json!(true)),
        ("{{ missing }}", json!("")),
        ("n is {{ n }}, o is {{ o }}", json!("n is 7, o is {\"a\":[true]}")),
        ("fixed", json!("fixed")),
    ] {
        let template = Template::parse(source, Dialect::Claims).unwrap();
        assert_eq!(template.evaluate(&of, Output::CLAIM).unwrap(), wanted, "{source}");
    }
    let long = values(json!({ "s": "x".repeat(5000) }));
    let template = Template::parse("{{ s }}", Dialect::Claims).unwrap();
    assert_eq!(template.evaluate(&long, Output::CLAIM).unwrap_err().meaning, Meaning::OutputTooLong);
}

#[test]
fn values_are_escaped_in_html_however_they_are_made() {
    let of = values(json!({ "evil": "<b x='1'>&\"", "o": { "<i>": 1 } }));
    for source in [
        "{{ evil }}",
        "{% assign x = evil | downcase %}{{ x }}",
        "{% assign x = evil | split: '' | join: '' %}{{ x }}",
        "{% assign l = evil | split: 'nothing' %}{% for e in l %}{{ e }}{% endfor %}",
        "{{ '<b x=' }}{{ o }}",
        "{{ evil | json }}{{ evil | first }}{{ '&lt;' | replace: '&lt;', '<script>' }}",
    ] {
        let html = Template::parse(source, Dialect::Message).unwrap().render(&of, Output::HTML).unwrap();
        assert!(!html.contains(['<', '>', '"', '\'']), "{source} gives {html}");
        let plain = Template::parse(source, Dialect::Message).unwrap().render(&of, Output::TEXT).unwrap();
        assert!(plain.contains('<'), "{source} gives {plain}");
    }
    let own = Template::parse("<a href=\"{{ evil }}\">", Dialect::Message).unwrap().render(&of, Output::HTML).unwrap();
    assert_eq!(own, "<a href=\"&lt;b x=&#39;1&#39;&gt;&amp;&quot;\">");
}

#[test]
fn blocks_and_brackets_nest_to_a_bound_and_sources_are_long_to_one() {
    let nested = |n: usize| format!("{}x{}", "{% if a %}".repeat(n), "{% endif %}".repeat(n));
    assert!(Template::parse(&nested(MAX_NESTING), Dialect::Message).is_ok());
    assert_eq!(refused(&nested(MAX_NESTING + 1), Dialect::Message).1, "nesting_too_deep");
    assert_eq!(refused(&nested(3000), Dialect::Message).1, "nesting_too_deep");
    assert_eq!(refused(&format!("{{{{ {} }}}}", "a[".repeat(30_000)), Dialect::Message).1, "nesting_too_deep");
    assert_eq!(refused(&"x".repeat(MAX_SOURCE + 1), Dialect::Message).1, "source_too_long");
    assert!(Template::parse(&"x".repeat(MAX_SOURCE), Dialect::Message).is_ok());
}

#[test]
fn bombs_are_stopped() {
    let big = json!({ "big": "ab ".repeat(300_000), "list": vec![0; 1000], "huge": vec![0; 100_000] });
    let doubling = format!("{{% assign x = 'xxxxxxxx' %}}{}", "{% assign x = x | append: x %}".repeat(2000));
    let powers = format!("{}{{{{ 1 }}}}{}", "{% for a in list %}".repeat(5), "{% endfor %}".repeat(5));
    let idle = format!("{}{}", "{% for a in list %}".repeat(49), "{% endfor %}".repeat(49));
    let fill = "{% assign a = big | split: ' ' %}".repeat(1000);
    let grow = format!("{{% assign x = 'aaaaaaaa' %}}{}", "{% assign x = x | replace: 'a', 'aaaaaaaa' %}".repeat(100));
    let longer = format!("{{% assign x = list %}}{}", "{% assign x = x | join: '----' | split: '-' %}".repeat(1000));
    let elsifs = format!(
        "{{% for a in list %}}{{% if a == 1 %}}{}{{% endif %}}{{% endfor %}}",
        "{% elsif big == 1 %}".repeat(2000)
    );
    let sizes = format!("{{% for a in list %}}{}{{% endfor %}}", "{{ big.size }}{{ big | size }}".repeat(1500));
    for source in [
        &doubling,
        &powers,
        &idle,
        &fill,
        &grow,
        &longer,
        &elsifs,
        &sizes,
        "{% for a in huge %}{% endfor %}",
        "{% for a in list %}{{ big | upcase }}{% endfor %}",
        "{% for a in list %}{% if big contains 'zzz' %}{% endif %}{% endfor %}",
        "{% for a in list %}{% if big == blank %}{% endif %}{% endfor %}",
        "{{ huge | json }}{{ huge }}",
    ] {
        let stopped = stopped(source, big.clone(), Output::TEXT);
        assert!(["too_much_work", "output_too_long"].contains(&stopped), "{stopped}");
    }
    let echo = "{% for a in list %}0123456789{% endfor %}";
    assert_eq!(stopped(echo, big.clone(), Output::SMS), "output_too_long");
    assert_eq!(rendered(echo, big).len(), 10_000);
}

#[test]
fn a_short_message_is_bounded_in_characters() {
    let template = Template::parse("{{ s }}", Dialect::Message).unwrap();
    let of = |n: usize| values(json!({ "s": "ü".repeat(n) }));
    assert!(template.render(&of(1600), Output::SMS).is_ok());
    assert_eq!(template.render(&of(1601), Output::SMS).unwrap_err().meaning, Meaning::OutputTooLong);
}

#[test]
fn what_is_shown_is_told_from_what_is_only_asked_for() {
    let shows = |source: &str| Template::parse(source, Dialect::Message).unwrap().shows("code");
    assert!(shows("{{ code }}"));
    assert!(shows("{% if x %}{{ code | split: '' | join: ' ' }}{% endif %}"));
    assert!(shows("{% assign c = code %}{{ c }}"));
    assert!(!shows("{% if code %}x{% endif %}"));
    assert!(!shows("{% raw %}{{ code }}{% endraw %}{% comment %}{{ code }}{% endcomment %}"));
    assert!(!shows("{{ codes }}{{ code.x }}{{ 'code' }}"));
}

#[test]
fn every_text_of_ours_is_whole() {
    let sample = texts::sample();
    let slugs: Vec<&str> = texts::emails().iter().map(|text| text.slug).collect();
    assert!(slugs.is_sorted() && slugs.len() == 16);
    for text in texts::emails() {
        for (source, output) in [(text.subject, Output::SUBJECT), (text.html, Output::HTML), (text.text, Output::TEXT)]
        {
            let template = Template::parse(source, Dialect::Message).expect(text.slug);
            let shown = template.render(&sample, output).expect(text.slug);
            assert!(!shown.contains("{{") && !shown.contains("{%"), "{shown}");
            for path in template.paths().filter(|path| *path != "forloop") {
                let known =
                    path.split('.').try_fold(&Value::Object(sample.clone()).clone(), |at, name| at.get(name)).is_some();
                assert!(known, "{} asks for {path}", text.slug);
            }
            let is_subject = output == Output::SUBJECT;
            assert!(is_subject || text.needs.is_none_or(|needs| template.shows(needs)), "{}", text.slug);
            // Nobody invited anybody: nothing may be left hanging.
            template.render(&Map::new(), output).expect(text.slug);
        }
        assert!(text.subject.chars().count() <= 256 && !text.subject.contains('\n'));
        assert!(!text.html.contains("<img") && !text.html.contains("http://") && !text.html.contains("https://"));
    }
    let slugs: Vec<&str> = texts::smses().iter().map(|text| text.slug).collect();
    assert_eq!(slugs, ["invitation", "reset_password_code", "verification_code"]);
    for text in texts::smses() {
        let template = Template::parse(text.body, Dialect::Message).expect(text.slug);
        assert!(template.render(&sample, Output::SMS).expect(text.slug).chars().count() <= 160, "{}", text.slug);
        assert!(text.needs.is_none_or(|needs| template.shows(needs)));
    }
}

/// Sources made of what templates are made of, so that many of them are templates.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{{",
        "}}",
        "{%",
        "%}",
        "{{-",
        "-}}",
        "{%-",
        "-%}",
        "'",
        "\"",
        "[",
        "]",
        ".",
        "..",
        "(",
        ")",
        "|",
        ":",
        ",",
        "==",
        "x",
        "big",
        "list",
        "text",
        " ",
        "\n",
        "ü",
        "{{ x }}",
        "{{ big }}",
        "{{ list | json }}",
        "{{ text | split: '' | join: 'aaaa' }}",
        "{% if x %}",
        "{% elsif text %}",
        "{% else %}",
        "{% endif %}",
        "{% unless x == 1 %}",
        "{% endunless %}",
        "{% case x %}",
        "{% when 1 %}",
        "{% endcase %}",
        "{% for a in list %}",
        "{% endfor %}",
        "{% assign x = x | append: text %}",
        "{% assign x = text | append: x %}",
        "{% assign list = text | split: '' %}",
        "{% assign text = text | replace: 'a', 'aaaaaaaa' %}",
        "{% raw %}",
        "{% endraw %}",
        "{% comment %}",
        "{% endcomment %}",
        "and",
        "or",
        "contains",
        "limit: 3",
        "-1",
        "1.5",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_written_ends_with_a_text_or_an_error(source in hostile()) {
        let of = values(json!({
            "x": 1, "big": "a".repeat(100_000), "text": "<a&b>", "list": (0..500).collect::<Vec<_>>(),
        }));
        let _ = Template::parse(&source, Dialect::Claims);
        if let Ok(template) = Template::parse(&source, Dialect::Message) {
            let html = template.render(&of, Output::HTML).unwrap_or_default();
            prop_assert!(html.len() <= 256 * 1024);
            let _ = template.evaluate(&of, Output::SMS);
        }
    }

    #[test]
    fn any_text_without_markup_stays_as_it_is(source in "[^{]{0,200}") {
        let template = Template::parse(&source, Dialect::Message).unwrap();
        prop_assert_eq!(template.render(&Map::new(), Output::HTML).unwrap(), source);
    }

    #[test]
    fn no_value_brings_markup_into_html(value in "\\PC{0,80}") {
        let template = Template::parse("{{ v }}{{ v | upcase }}{{ v | truncate: 9 }}", Dialect::Message).unwrap();
        let html = template.render(&values(json!({ "v": value })), Output::HTML).unwrap();
        prop_assert!(!html.contains(['<', '>', '"', '\'']));
        prop_assert_eq!(html.matches('&').count(), html.matches("&amp;").count() + html.matches("&lt;").count()
            + html.matches("&gt;").count() + html.matches("&quot;").count() + html.matches("&#39;").count());
    }

    #[test]
    fn arbitrary_bytes_never_panic(source in "\\PC{0,200}") {
        if let Ok(template) = Template::parse(&source, Dialect::Message) {
            let _ = template.render(&texts::sample(), Output::TEXT);
        }
    }
}
