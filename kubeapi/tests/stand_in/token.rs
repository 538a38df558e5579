//! Continue tokens: where the next page of a list starts, and at which version the list is.
//!
//! As a real server writes them: JSON in base64 for URLs, without padding. Clients take them as
//! they are; written this way, a wrong one is refused in a real server's words.

use serde_json::Value;

use super::answer::Reply;
use super::status;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The version of the list and the least key of the next page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) revision: u64,
    pub(crate) start: String,
}

impl Token {
    pub(crate) fn encode(&self) -> String {
        let start = serde_json::to_string(&self.start).expect("a string is JSON");
        let revision = self.revision;
        let text = format!(r#"{{"v":"meta.k8s.io/v1","rv":{revision},"start":{start}}}"#);
        encode(text.as_bytes())
    }

    pub(crate) fn decode(text: &str) -> Result<Token, Reply> {
        let refuse = |why: &str| {
            let message = format!("invalid continue token: continue key is not valid: {why}");
            status::refuse(400, "BadRequest", &message)
        };
        let octets = decode(text).ok_or_else(|| refuse("illegal base64 data"))?;
        if octets.first().is_some_and(|&octet| octet != b'{') {
            let first = char::from(octets[0]);
            let why = format!("invalid character '{first}' looking for beginning of value");
            return Err(refuse(&why));
        }
        let token = serde_json::from_slice::<Value>(&octets).unwrap_or_default();
        match (token["rv"].as_u64(), token["start"].as_str()) {
            (Some(revision), Some(start)) => Ok(Token {
                revision,
                start: start.to_owned(),
            }),
            _ => Err(refuse("unexpected end of JSON input")),
        }
    }
}

fn encode(octets: &[u8]) -> String {
    let digits = octets.chunks(3).flat_map(|chunk| {
        let group = (0..3).fold(0, |group: usize, at| {
            group << 8 | chunk.get(at).map_or(0, |&octet| usize::from(octet))
        });
        (0..=chunk.len()).map(move |at| char::from(ALPHABET[group >> (18 - 6 * at) & 63]))
    });
    digits.collect()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let (mut bits, mut count) = (0, 0);
    for digit in text.bytes() {
        let digit = ALPHABET.iter().position(|&known| known == digit)?;
        bits = (bits << 6 | digit) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(octets)
}

#[test]
fn tokens_are_read_back() {
    for start in ["/default/kubernetes\0", "/a\0", "/ab\0", "/a-b/c\0"] {
        let token = Token {
            revision: 677,
            start: start.to_owned(),
        };
        assert_eq!(Token::decode(&token.encode()).ok(), Some(token), "{start}");
    }
    assert!(Token::decode("?").is_err() && Token::decode("e30").is_err());
}
