//! Other ways to write the same message (RFC 3261 §7.3.1): who reads one reads all, and finds the same in it.

/// Header names with their one-letter forms (RFC 3261 §7.3.3 and the RFCs that brought the others).
const COMPACT: [(&str, &str); 15] = [
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
    ("Content-Encoding", "e"),
    ("Subject", "s"),
    ("Supported", "k"),
    ("Refer-To", "r"),
    ("Referred-By", "b"),
    ("Event", "o"),
    ("Allow-Events", "u"),
    ("Session-Expires", "x"),
];

/// A way to write a message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// One-letter names where there are any.
    Compact,
    /// Long names where a letter stood.
    Long,
    /// Names in other letters: case says nothing.
    Case,
    /// White space around colons.
    Spaced,
    /// Values on lines of their own, and broken where a space stands.
    Folded,
    /// Headers of other names in reverse order; those of one name stay in theirs.
    Reversed,
    /// A header that nobody knows behind each.
    Strewn,
}

/// All of them.
pub const VARIANTS: [Variant; 7] = [
    Variant::Compact,
    Variant::Long,
    Variant::Case,
    Variant::Spaced,
    Variant::Folded,
    Variant::Reversed,
    Variant::Strewn,
];

/// One header as it stands, its continuations included.
#[derive(Clone, Debug)]
struct Line {
    name: Vec<u8>,
    /// All behind the colon; `None` where there is no colon.
    value: Option<Vec<u8>>,
}

/// The message written another way; `None` where it has no header that ends.
pub fn variant(message: &[u8], variant: Variant) -> Option<Vec<u8>> {
    let end = message.windows(4).position(|octets| octets == b"\r\n\r\n")?;
    let (head, body) = message.split_at(end);
    let mut texts = split(head).into_iter();
    let start = texts.next()?;
    let mut lines: Vec<Line> = texts.map(Line::read).collect();
    match variant {
        Variant::Reversed => lines = reversed(lines),
        Variant::Strewn => {
            let unknown = Line { name: b"X-Nobody".to_vec(), value: Some(b" \"<,;".to_vec()) };
            lines = lines.into_iter().flat_map(|line| [line, unknown.clone()]).collect();
        }
        Variant::Compact | Variant::Long | Variant::Case | Variant::Spaced | Variant::Folded => {
            lines.iter_mut().for_each(|line| line.rewrite(variant));
        }
    }
    let mut out = start.to_vec();
    for line in lines {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&line.name);
        if let Some(value) = line.value {
            out.push(b':');
            out.extend_from_slice(&value);
        }
    }
    out.extend_from_slice(body);
    Some(out)
}

/// Lines with their continuations (§7.3.1).
fn split(head: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(offset) = head.get(at..).and_then(|rest| rest.windows(2).position(|pair| pair == b"\r\n"))
    {
        at += offset;
        if !matches!(head.get(at + 2), Some(b' ' | b'\t')) {
            lines.push(&head[start..at]);
            start = at + 2;
        }
        at += 2;
    }
    lines.push(&head[start..]);
    lines
}

/// Names come in the reverse order of their first appearance.
fn reversed(lines: Vec<Line>) -> Vec<Line> {
    let mut groups: Vec<(String, Vec<Line>)> = Vec::new();
    for line in lines {
        let name = line.long_name();
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(line),
            None => groups.push((name, vec![line])),
        }
    }
    groups.into_iter().rev().flat_map(|(_, group)| group).collect()
}

impl Line {
    fn read(text: &[u8]) -> Line {
        match text.iter().position(|octet| *octet == b':') {
            Some(colon) => Line { name: text[..colon].to_vec(), value: Some(text[colon + 1..].to_vec()) },
            None => Line { name: text.to_vec(), value: None },
        }
    }

    /// The name without white space, small and long.
    fn long_name(&self) -> String {
        let name = String::from_utf8_lossy(&self.name).trim().to_ascii_lowercase();
        let long = COMPACT.iter().find(|(_, letter)| *letter == name);
        long.map_or(name, |(long, _)| long.to_ascii_lowercase())
    }

    fn rewrite(&mut self, variant: Variant) {
        let Some(value) = self.value.as_mut() else { return };
        match variant {
            Variant::Spaced => {
                self.name.extend_from_slice(b" \t ");
                value.splice(0..0, *b" \t");
                value.extend_from_slice(b" \t");
            }
            Variant::Folded => *value = folded(value),
            Variant::Case => {
                for (index, octet) in self.name.iter_mut().enumerate() {
                    if index.is_multiple_of(2) {
                        octet.make_ascii_lowercase();
                    } else {
                        octet.make_ascii_uppercase();
                    }
                }
            }
            Variant::Compact | Variant::Long => {
                let name = self.long_name();
                if let Some((long, letter)) =
                    COMPACT.iter().find(|(long, _)| long.eq_ignore_ascii_case(&name))
                {
                    let wanted = if variant == Variant::Compact { letter } else { long };
                    self.name = wanted.as_bytes().to_vec();
                }
            }
            Variant::Reversed | Variant::Strewn => {}
        }
    }
}

/// A value with a line end before each white space that has none (§25.1: `LWS = [*WSP CRLF] 1*WSP`).
fn folded(value: &[u8]) -> Vec<u8> {
    let is_white = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
    let mut out = Vec::with_capacity(2 * value.len());
    // Each chunk is white space, or has none.
    for chunk in value.chunk_by(|one, two| is_white(one) == is_white(two)) {
        if chunk.first().is_some_and(is_white) && !chunk.contains(&b'\n') {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(chunk);
    }
    out
}
