//! The names that every server is given, and the questions that are asked of them.
//!
//! A seeded generator: the same seed gives the same names, addresses and questions on every
//! machine, whatever the versions of libraries, so the generator is SplitMix64 and written out
//! here. Names look like those of services. Pure: [`crate::zone`] writes them for each server.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The one zone; every name is below it.
pub(crate) const ZONE: &str = "cluster.local";
/// TTL of every record, in seconds.
pub(crate) const TTL_S: u32 = 30;
/// The port of every SRV record.
pub(crate) const SRV_PORT: u16 = 8080;

/// One name in so many has an SRV record below it, and another one a TXT record.
const NAMES_PER_EXTRA: usize = 20;
const TEAMS: u64 = 200;
const WORDS: &[&str] = &[
    "account", "api", "auth", "billing", "cache", "cart", "catalog", "chat", "checkout", "config",
    "db", "events", "export", "feed", "files", "gateway", "images", "index", "invoice", "jobs",
    "ledger", "login", "mail", "metrics", "orders", "payments", "profile", "queue", "search",
    "session", "shipping", "stock", "tax", "users", "video", "web",
];

/// One name and all that exists at it and below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// Absolute, without the last dot.
    pub(crate) owner: String,
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// A TXT record at the name.
    pub(crate) text: Option<String>,
    /// An SRV record at `_http._tcp.NAME` that points at the name.
    pub(crate) service: bool,
}

impl Name {
    /// The owner of the SRV record.
    pub(crate) fn service_owner(&self) -> String {
        format!("_http._tcp.{}", self.owner)
    }

    /// Octets of the owner and of the address records as a response has them: the owner once,
    /// then a pointer, type, class, TTL, length and address each. A measure of what cannot be left
    /// out of memory.
    pub(crate) fn wire_bytes(&self) -> usize {
        self.owner.len() + 2 + 16 * self.addresses.len()
    }
}

/// How many addresses a name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addresses {
    /// Three fifths of the names have one, one fifth two, one fifth three to ten; some names have
    /// TXT and SRV records.
    Varied,
    /// Each name has one, and nothing else: as many records as names.
    One,
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for data, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 to `bound` - 1; the bias of the remainder is below one in 2^40 here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// `count` different names.
pub(crate) fn names(seed: u64, count: usize, addresses: Addresses) -> Vec<Name> {
    let mut random = Random::new(seed);
    (0..count)
        .map(|number| name(&mut random, number, addresses))
        .collect()
}

fn name(random: &mut Random, number: usize, addresses: Addresses) -> Name {
    let owner = format!("{}.{ZONE}", relative(random, number));
    let varied = addresses == Addresses::Varied;
    let count = match number % 5 {
        3 if varied => 2,
        4 if varied => 3 + random.below(8),
        _ => 1,
    };
    // One draw for all, so that a name never has an address twice.
    let first = random.below(1 << 24) as u32;
    let address = |step: u64| Ipv4Addr::from(0x0a00_0000 | (first + step as u32) & 0x00ff_ffff);
    let has = |remainder| varied && number % NAMES_PER_EXTRA == remainder;
    Name {
        owner,
        addresses: (0..count).map(address).collect(),
        text: has(1).then(|| format!("build={:016x}", random.next())),
        service: has(2),
    }
}

/// Words, the number that makes it unique, a team, as names of services are.
fn relative(random: &mut Random, number: usize) -> String {
    let mut word = || WORDS[random.below(WORDS.len() as u64) as usize];
    let (first, second) = (word(), word());
    let team = random.below(TEAMS);
    format!("{first}-{second}-{number:x}.team-{team}.svc")
}

/// All names, each once: every question is an A query that is answered.
pub(crate) fn address_questions(names: &[Name]) -> String {
    let mut questions = String::new();
    for name in names {
        let _ = writeln!(questions, "{} A", name.owner);
    }
    questions
}

/// As many questions as there are names: of 20, 14 are A, 2 AAAA of a name that has none (NODATA),
/// 2 of names that do not exist, 1 SRV and 1 TXT.
pub(crate) fn mixed_questions(seed: u64, names: &[Name]) -> String {
    let mut random = Random::new(seed ^ 1);
    let services: Vec<&Name> = names.iter().filter(|name| name.service).collect();
    let texts: Vec<&Name> = names.iter().filter(|name| name.text.is_some()).collect();
    let mut questions = String::new();
    for number in 0..names.len() {
        let mut any = |of: usize| random.below(of as u64) as usize;
        let _ = match number % NAMES_PER_EXTRA {
            0..14 => writeln!(questions, "{} A", names[any(names.len())].owner),
            14 | 15 => writeln!(questions, "{} AAAA", names[any(names.len())].owner),
            16 | 17 => {
                let absent = relative(&mut random, names.len() + number);
                writeln!(questions, "{absent}.{ZONE} A NXDOMAIN")
            }
            18 if !services.is_empty() => {
                let service = services[any(services.len())];
                writeln!(questions, "{} SRV", service.service_owner())
            }
            _ if !texts.is_empty() => {
                writeln!(questions, "{} TXT", texts[any(texts.len())].owner)
            }
            _ => Ok(()),
        };
    }
    questions
}
