//! Tables that spreadsheets and FinOps tools read (RFC 4180).

use csv::{Terminator, WriterBuilder};

/// What a table is sent as.
pub(crate) const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Records as text, each with its line break.
pub(crate) fn rows<R, T>(records: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = T>,
    T: AsRef<str>,
{
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        let mut cells = record.into_iter();
        let written = cells.try_for_each(|cell| writer.write_field(cell.as_ref()));
        // Nothing more, but the end of the record.
        let ended = written.and_then(|()| writer.write_record(None::<&[u8]>));
        ended.expect("memory takes everything, and records of a table are of one length");
    }
    let bytes = writer.into_inner().expect("memory takes everything");
    String::from_utf8(bytes).expect("every field is text")
}

/// A text that no spreadsheet takes for a formula: an apostrophe goes before one that begins like one, whatever
/// invisible characters stand first.
pub(crate) fn inert(text: &str) -> String {
    let first = text.chars().find(|character| !is_invisible(*character));
    let is_formula = first.is_some_and(|character| FORMULA.contains(&character));
    // Some programs drop these two and read on.
    if is_formula || text.starts_with(['\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

/// What begins a formula, also as full-width and small forms, which some programs take for the same.
const FORMULA: [char; 13] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−'];

fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{2800}' | '\u{3164}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_is_made_inert_and_nothing_else_is_touched() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\rx",
            "  =1",
            "\u{a0}=1",
            "\u{202e}=1",
            "\u{200d}=1",
            "\u{feff}@x",
            "＝1",
            "－1",
            "＋1",
            "＠x",
            "−1",
            "=HYPERLINK(\"https://evil.example\",\"x\")",
        ] {
            assert_eq!(inert(text), format!("'{text}"), "{text:?}");
        }
        for text in
            ["Engineering", "1=1", "a-b", "'=1", "Équipe", "", "2026-10-25T02:00+02:00", "👩\u{200d}🔬 =1"]
        {
            assert_eq!(inert(text), text, "{text:?}");
        }
    }
}
