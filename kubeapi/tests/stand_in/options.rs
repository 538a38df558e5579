//! What a list or a watch asks for: the query, taken apart and held against the rules.
//!
//! Not here: what can only be said with the store at hand, such as whether a version is gone.

use super::answer::Reply;
use super::resources::Target;
use super::selector::Selector;
use super::status;

/// The query of a list or a watch.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) watch: bool,
    pub(crate) limit: usize,
    /// Empty: the first page.
    pub(crate) token: String,
    /// None: not said.
    pub(crate) version: Option<u64>,
    /// `resourceVersionMatch`; empty: not said.
    pub(crate) matching: String,
    pub(crate) selector: Selector,
    pub(crate) timeout_s: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: Option<bool>,
    /// Only metadata is asked for.
    pub(crate) partial: bool,
}

impl Options {
    pub(crate) fn parse(query: &str, target: &Target, partial: bool) -> Result<Options, Reply> {
        let pairs: Vec<(String, String)> = pairs(query);
        let value = |name: &str| {
            let found = pairs.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let flag = |name: &str| ["true", "1"].contains(&value(name));
        let number = |name: &str| match value(name) {
            "" => Ok(None),
            text => text.parse::<u64>().map(Some).map_err(|_| {
                let message = format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
                status::refuse(400, "BadRequest", &message)
            }),
        };
        let watch = flag("watch");
        let labels = value("labelSelector");
        let selector =
            Selector::parse(target.namespace.as_deref(), labels, value("fieldSelector"))?;
        let options = Options {
            watch,
            limit: usize::try_from(number("limit")?.unwrap_or(0)).unwrap_or(usize::MAX),
            token: value("continue").to_owned(),
            version: version(value("resourceVersion"), watch)?,
            matching: value("resourceVersionMatch").to_owned(),
            selector,
            timeout_s: number("timeoutSeconds")?,
            bookmarks: flag("allowWatchBookmarks"),
            initial_events: (!value("sendInitialEvents").is_empty())
                .then(|| flag("sendInitialEvents")),
            partial,
        };
        match options.contradiction() {
            Some((field, cause)) => Err(status::option_forbidden(field, cause)),
            None => Ok(options),
        }
    }

    /// What may not be asked for together, as a real server says it.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let matching = Some("resourceVersionMatch");
        let cause = match (self.watch, self.initial_events, self.matching.as_str()) {
            (true, Some(_), "NotOlderThan") | (_, None, "") => return None,
            (true, Some(_), _) => {
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            }
            (true, None, _) => {
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            }
            (false, Some(_), _) => {
                let cause = "sendInitialEvents is forbidden for list";
                return Some(("sendInitialEvents", cause));
            }
            (false, ..) if !self.token.is_empty() => {
                "resourceVersionMatch is forbidden when continue is provided"
            }
            (false, ..) if self.version.is_none() => {
                "resourceVersionMatch is forbidden unless resourceVersion is provided"
            }
            (false, _, "Exact") if self.version == Some(0) => {
                "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
            }
            (false, _, "Exact" | "NotOlderThan") => return None,
            (false, ..) => "supported values: Exact, NotOlderThan",
        };
        matching.map(|field| (field, cause))
    }
}

/// A version; a wrong one is the client's fault in a list and the server's in a watch.
fn version(text: &str, watch: bool) -> Result<Option<u64>, Reply> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let message = format!(
            "resourceVersion: Invalid value: \"{text}\": \
             strconv.ParseUint: parsing \"{text}\": invalid syntax"
        );
        if !watch {
            let message = format!("invalid resource version: {message}");
            return status::refuse(400, "BadRequest", &message);
        }
        let mut failure = status::failure(500, "", &message);
        failure.as_object_mut().expect("an object").remove("reason");
        status::refused(failure)
    })
}

/// The keys and values of a query.
fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect()
}

/// Text without percent-encoding; what is none of it stays.
fn decoded(text: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        let (octet, length) = match (first, code) {
            (b'%', Some(code)) => (code, 3),
            (b'+', _) => (b' ', 1),
            (&other, _) => (other, 1),
        };
        octets.push(octet);
        rest = &rest[length..];
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[test]
fn queries_are_decoded() {
    let expected = [("a", "b=c d"), ("x", ""), ("y", "50%")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(pairs("a=b%3Dc+d&x&y=50%"), expected);
}
