//! A page for people, taken apart into commands and what they answer.
//!
//! Every `sh` block is run, in order and in one shell. A `text` block directly behind one is its output, in which
//! `…` stands for whatever differs from run to run. A block under a comment that begins with `by hand` is not run.

use super::pages::{guides, root};

/// Some commands, and what they print.
pub(super) struct Step {
    /// The line of the page.
    pub line: usize,
    pub commands: String,
    pub output: Option<String>,
}

/// A fenced block.
struct Block {
    line: usize,
    language: String,
    text: String,
    is_by_hand: bool,
    /// It begins in the line behind the end of the block before.
    is_attached: bool,
}

fn blocks(page: &str) -> Vec<Block> {
    let page = std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut blocks = Vec::new();
    let (mut before, mut lines) = ("", page.lines().enumerate());
    while let Some((at, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            blocks.push(Block {
                line: at + 1,
                language: language.to_owned(),
                text: text.join("\n"),
                is_by_hand: before.starts_with("<!-- by hand"),
                is_attached: before == "```",
            });
            before = "```";
        } else {
            before = line;
        }
    }
    blocks
}

/// What is run of a page.
pub(super) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_behind_commands = false;
    for block in blocks(page) {
        let is_run = block.language == "sh" && !block.is_by_hand;
        if is_run {
            steps.push(Step { line: block.line, commands: block.text, output: None });
        } else if block.language == "text" && block.is_attached && is_behind_commands {
            let step = steps.last_mut().expect("it is behind one");
            step.output = Some(block.text);
        }
        is_behind_commands = is_run;
    }
    steps
}

/// The first block of a text that is nobody's output: what `dev` prints.
pub(super) fn shown_by_dev() -> String {
    let mut all = blocks("README.md").into_iter();
    all.find(|block| block.language == "text" && !block.is_attached).expect("the README shows what `dev` prints").text
}

/// Whether a line is the one that a page shows, where `…` is anything but nothing.
pub(super) fn is_shown(shown: &str, line: &str) -> bool {
    let Some((head, rest)) = shown.split_once('…') else { return shown == line };
    let Some(line) = line.strip_prefix(head) else { return false };
    let ends = line.char_indices().map(|(at, c)| at + c.len_utf8());
    ends.into_iter().any(|end| is_shown(rest, &line[end..]))
}

#[test]
fn an_ellipsis_stands_for_something() {
    assert!(is_shown("a…c", "abbc") && is_shown("a…", "ab") && is_shown("…,…", "1,2") && is_shown("é…", "éü"));
    for (shown, line) in [("a…c", "ac"), ("a…", "a"), ("a…c", "abcd"), ("a", "b"), ("…,…", "1,")] {
        assert!(!is_shown(shown, line), "{shown} {line}");
    }
}

#[test]
fn nothing_but_two_commands_is_left_to_the_reader() {
    let by_hand: Vec<String> =
        blocks("README.md").into_iter().filter(|b| b.is_by_hand && b.language == "sh").map(|b| b.text).collect();
    assert_eq!(by_hand, ["cargo run -- dev", "cargo test --workspace"]);
    for page in guides().into_iter().chain(["README.md".to_owned()]) {
        for block in blocks(&page) {
            let is_known = ["sh", "text"].contains(&block.language.as_str()) || block.is_by_hand;
            assert!(is_known, "{page}, line {}: nobody runs this block", block.line);
        }
    }
}
