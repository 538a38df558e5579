//! Breaks what tests expect at spaces, so that long errors fit the width of a source line.

/// `text` with line breaks for spaces where a line would grow beyond 76 characters.
pub(crate) fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if column > 0 {
            let fits = column + 1 + len <= 76;
            out.push(if fits { ' ' } else { '\n' });
            column = if fits { column + 1 } else { 0 };
        }
        out.push_str(word);
        column += len;
    }
    out
}
