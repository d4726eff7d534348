//! The guide: both languages say the same things in the same order, and the tests that it names exist.

use std::collections::BTreeSet;

use super::File;

/// Ending of a page in Chinese.
const CHINESE: &str = ".zh-CN.md";
/// Words that a name in code marks must have to be taken for that of a test.
const TEST_NAME_WORDS_MIN: usize = 5;

/// All complaints.
pub fn check(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| is_page(&file.path)) {
        complaints.extend(unknown_tests(file, files));
        if file.path.ends_with(CHINESE) {
            continue;
        }
        let other = file.path.replace(".md", CHINESE);
        match files.iter().find(|file| file.path == other) {
            Some(other) => complaints.extend(difference(file, other)),
            None => complaints.push(format!(
                "{}: there is no {other}; the guide is in English and Chinese",
                file.path
            )),
        }
    }
    complaints
}

fn is_page(path: &str) -> bool {
    path.ends_with(".md") && (path.starts_with("docs/guide/") || path.starts_with("README."))
}

/// A part of a page that has to be in the other language, too.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Heading(usize),
    Row(usize),
    Item,
    /// A line of an example, without what is said about it.
    Code(&'a str),
}

/// The parts of a page, each with the number of its line.
fn parts(text: &str) -> Vec<(usize, Part<'_>)> {
    let mut parts = Vec::new();
    let mut code = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let part = if trimmed.starts_with("```") {
            code = !code;
            Some(Part::Code(trimmed))
        } else if code {
            Some(Part::Code(line.split(" #").next().unwrap_or("").trim_end()))
        } else if trimmed.starts_with('#') {
            Some(Part::Heading(
                trimmed.chars().take_while(|it| *it == '#').count(),
            ))
        } else if trimmed.starts_with('|') {
            Some(Part::Row(trimmed.matches('|').count()))
        } else if trimmed.starts_with("- ") {
            Some(Part::Item)
        } else {
            None
        };
        parts.extend(part.map(|part| (at + 1, part)));
    }
    parts
}

/// The first place where a page and its translation part.
fn difference(file: &File, other: &File) -> Option<String> {
    let (ours, theirs) = (parts(&file.text), parts(&other.text));
    let (path, other_path) = (&file.path, &other.path);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        if ours.1 != theirs.1 {
            return Some(format!(
                "{path}:{}: {:?}, but {other_path}:{}: {:?}; both languages have the same headings, rows, items and \
                 examples",
                ours.0, ours.1, theirs.0, theirs.1
            ));
        }
    }
    if ours.len() != theirs.len() {
        return Some(format!(
            "{path} has {} headings, rows, items and lines of examples, {other_path} has {}",
            ours.len(),
            theirs.len()
        ));
    }
    let (ours, theirs) = (tests_of(&file.text), tests_of(&other.text));
    (ours != theirs).then(|| {
        let only: Vec<_> = ours.symmetric_difference(&theirs).copied().collect();
        format!("{path} and {other_path} name different tests: {only:?}")
    })
}

/// What stands in code marks and reads like the name of a test.
fn tests_of(text: &str) -> BTreeSet<&str> {
    let is_test = |name: &&str| {
        let mut words = 0;
        name.split('_').all(|word| {
            words += 1;
            !word.is_empty()
                && word
                    .chars()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
        }) && words >= TEST_NAME_WORDS_MIN
    };
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}

fn unknown_tests(file: &File, files: &[File]) -> Vec<String> {
    let exists = |name: &str| {
        let definition = format!("fn {name}(");
        files
            .iter()
            .any(|file| file.path.ends_with(".rs") && file.text.contains(&definition))
    };
    tests_of(&file.text)
        .into_iter()
        .filter(|name| !exists(name))
        .map(|name| format!("{}: there is no test `{name}`", file.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(english: &str, chinese: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File {
            path: path.into(),
            text: text.into(),
        };
        check(&[
            file("docs/guide/a.md", english),
            file("docs/guide/a.zh-CN.md", chinese),
            file(
                "crates/x/tests/x.rs",
                "async fn it_is_there_and_works() {}\n",
            ),
        ])
    }

    const PAGE: &str =
        "# A\n\n| a | b |\n- `it_is_there_and_works`\n```sh\nkm ps   # all\n```\ntext\n";

    #[test]
    fn pages_that_say_the_same_are_left_alone() {
        let chinese =
            "# 甲\n更多\n| 一 | 二 |\n- `it_is_there_and_works`\n```sh\nkm ps # 全部\n```\n";
        assert_eq!(complaints(PAGE, chinese), Vec::<String>::new());
    }

    #[test]
    fn what_one_language_lacks_is_found() {
        let lacking = [
            PAGE.replace("# A", "## A"),
            PAGE.replace("| a | b |", "| a | b | c |"),
            PAGE.replace("| a | b |\n", ""),
            PAGE.replace("- ", ""),
            PAGE.replace("km ps", "km ls"),
            PAGE.replace("`it_is_there_and_works`", "that"),
        ];
        for chinese in lacking {
            assert_eq!(complaints(PAGE, &chinese).len(), 1, "{chinese}");
        }
    }

    #[test]
    fn a_page_without_a_translation_and_a_test_that_does_not_exist_are_found() {
        let alone = File {
            path: "docs/guide/b.md".into(),
            text: "`there_is_no_such_test`".into(),
        };
        assert_eq!(check(&[alone]).len(), 2);
    }
}
