//! Times, sizes and counts as people say them.

use komodo_api::UnixMs;

/// How long ago, `3 min ago`; a time to come reads `in 3 min`.
pub fn ago(at: UnixMs, now: UnixMs) -> String {
    let distance = span(now.saturating_sub(at).unsigned_abs());
    match at > now.saturating_add(1_000) {
        true => format!("in {distance}"),
        false => format!("{distance} ago"),
    }
}

/// A length of time in its largest unit, `3 min`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (figure, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "min"),
        3_600..86_400 => (seconds / 3_600, "h"),
        _ => (
            seconds / 86_400,
            if seconds < 2 * 86_400 { "day" } else { "days" },
        ),
    };
    format!("{figure} {unit}")
}

/// A length of time with tenths where they matter, `2.4 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => span(ms),
    }
}

/// A count with its noun, `1 container`, `3 containers`.
pub fn count(figure: u32, noun: &str) -> String {
    match figure {
        1 => format!("1 {noun}"),
        figure => format!("{figure} {noun}s"),
    }
}

/// Bytes in binary units, `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    let mut unit = "B";
    let mut figure = bytes as f64;
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if figure < 1024.0 {
            break;
        }
        figure /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{figure:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        let now = 1_000_000_000;
        let cases = [
            (0, "0 s ago"),
            (59_000, "59 s ago"),
            (60_000, "1 min ago"),
            (3_599_000, "59 min ago"),
            (3_600_000, "1 h ago"),
            (86_400_000, "1 day ago"),
            (2 * 86_400_000, "2 days ago"),
            (-500, "0 s ago"),
            (-120_000, "in 2 min"),
        ];
        for (before, words) in cases {
            assert_eq!(ago(now - before, now), words, "{before} ms before");
        }
    }

    #[test]
    fn figures_keep_what_matters() {
        assert_eq!(
            (duration(0), duration(2_449), duration(61_000)),
            ("0.0 s".into(), "2.4 s".into(), "1 min".into())
        );
        assert_eq!(
            (count(0, "container"), count(1, "container")),
            ("0 containers".into(), "1 container".into())
        );
        assert_eq!(
            (bytes(1023), bytes(1536), bytes(3 << 30)),
            ("1023 B".into(), "1.5 KiB".into(), "3.0 GiB".into())
        );
    }
}
