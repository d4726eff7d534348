use super::Lines;

fn cut(pieces: &[&str]) -> (Vec<String>, usize) {
    let mut lines = Lines::default();
    let mut found = Vec::new();
    for piece in pieces {
        lines.push(piece.as_bytes());
        while let Some(line) = lines.next() {
            found.push(String::from_utf8(line.to_vec()).expect("text"));
        }
    }
    (found, lines.unfinished_bytes())
}

#[test]
fn lines_do_not_care_where_frames_end() {
    let whole = (vec!["one".to_owned(), String::new(), "three".to_owned()], 0);
    assert_eq!(cut(&["one\n\nthree\n"]), whole);
    assert_eq!(cut(&["o", "ne", "\n", "\nthr", "ee\n"]), whole);
}

#[test]
fn what_has_no_end_yet_is_not_a_line() {
    assert_eq!(cut(&["one\ntw"]), (vec!["one".to_owned()], 2));
    assert_eq!(cut(&[]), (vec![], 0));
}
