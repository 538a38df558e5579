//! DNS cookies (RFC 7873), server cookies in the interoperable form of RFC 9018.
//!
//! A server cookie is 16 octets: version 1, three reserved octets, the time in seconds, and the
//! SipHash-2-4 of client cookie, those eight octets and the client's address. Secrets come from the
//! configuration so that every core and replica agrees; the first makes cookies, all verify, which
//! is how a secret is rolled over. A cookie never decides whether an answer is given here: a good
//! one only spares its client the rate limits.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Octets of the client's part.
pub const CLIENT_LEN: usize = 8;
/// Octets of the part made here.
pub const SERVER_LEN: usize = 16;
/// A server cookie is good for an hour and may be this far ahead of our clock (RFC 9018 section
/// 4.3).
const AGE_MAX_S: u32 = 3600;
const AHEAD_MAX_S: u32 = 300;
/// An older good cookie is replaced by a new one.
const RENEW_AGE_S: u32 = 1800;

/// The client's cookie and what it sent back of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieOption<'m> {
    /// The client's part.
    pub client: [u8; CLIENT_LEN],
    /// The server part it returned: none, or 8 to 32 octets.
    pub server: &'m [u8],
}

impl<'m> CookieOption<'m> {
    /// Reads the option's content; none when its length is neither 8 nor 16 to 40.
    pub fn parse(content: &'m [u8]) -> Option<CookieOption<'m>> {
        let (client, server) = content.split_first_chunk::<CLIENT_LEN>()?;
        match server.len() {
            0 | 8..=32 => Some(CookieOption {
                client: *client,
                server,
            }),
            _ => None,
        }
    }
}

/// A cookie that one of our secrets made.
#[derive(Debug, Clone, Copy)]
struct Good {
    /// Seconds since it was made; 0 when it is from ahead of our clock.
    age_s: u32,
    /// The secret that made it is the one that signs now.
    current: bool,
}

/// The secrets that make and verify server cookies.
#[derive(Debug, Clone)]
pub struct CookieSecrets(Vec<[u8; 16]>);

impl CookieSecrets {
    /// The first secret signs, all verify. None given: cookies are only good for as long as this
    /// value lives, and `random` is the secret.
    pub fn new(secrets: Vec<[u8; 16]>, random: [u8; 16]) -> CookieSecrets {
        CookieSecrets(if secrets.is_empty() {
            vec![random]
        } else {
            secrets
        })
    }

    /// The server cookie to send, and whether the one received was good.
    pub fn answer(
        &self,
        cookie: &CookieOption<'_>,
        client: IpAddr,
        now_s: u32,
    ) -> ([u8; SERVER_LEN], bool) {
        let good = self.judge(cookie, client, now_s);
        match (good, <[u8; SERVER_LEN]>::try_from(cookie.server)) {
            (
                Some(Good {
                    age_s,
                    current: true,
                }),
                Ok(same),
            ) if age_s <= RENEW_AGE_S => (same, true),
            _ => (self.make(&cookie.client, client, now_s), good.is_some()),
        }
    }

    fn make(&self, cookie: &[u8; CLIENT_LEN], client: IpAddr, now_s: u32) -> [u8; SERVER_LEN] {
        let mut made = [0; SERVER_LEN];
        made[0] = 1;
        made[4..8].copy_from_slice(&now_s.to_be_bytes());
        let prefix = [1, 0, 0, 0, made[4], made[5], made[6], made[7]];
        let secret = self.0.first().copied().unwrap_or_default();
        made[8..].copy_from_slice(&hash(&secret, cookie, &prefix, client));
        made
    }

    /// What is known of a good cookie; none for a bad one.
    fn judge(&self, cookie: &CookieOption<'_>, client: IpAddr, now_s: u32) -> Option<Good> {
        let (prefix, made) = cookie.server.split_first_chunk::<8>()?;
        if made.len() != 8 || prefix[0] != 1 {
            return None;
        }
        let time_s = u32::from_be_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
        // Serial number arithmetic: the clock wraps in 2106 (RFC 9018 section 4.3).
        let age_s = now_s.wrapping_sub(time_s) as i32;
        if !(-(AHEAD_MAX_S as i32)..=AGE_MAX_S as i32).contains(&age_s) {
            return None;
        }
        let signed_by = self.0.iter().position(|secret| {
            let expected = hash(secret, &cookie.client, prefix, client);
            // No early exit: how many octets agree must not show in the time.
            expected
                .iter()
                .zip(made)
                .fold(0, |differ, (a, b)| differ | (a ^ b))
                == 0
        });
        signed_by.map(|place| Good {
            age_s: age_s.max(0) as u32,
            current: place == 0,
        })
    }
}

fn hash(secret: &[u8; 16], cookie: &[u8; 8], prefix: &[u8; 8], client: IpAddr) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(cookie);
    hasher.write(prefix);
    match client {
        IpAddr::V4(address) => hasher.write(&address.octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.finish().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn secret(hex: &str) -> [u8; 16] {
        HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
    }

    fn check(
        secrets: &[&str],
        client: &str,
        address: &str,
        sent: &str,
        now_s: u32,
    ) -> (String, bool) {
        let secrets = secrets.iter().map(|hex| secret(hex)).collect();
        let content = HEXLOWER
            .decode(format!("{client}{sent}").as_bytes())
            .unwrap();
        let cookie = CookieOption::parse(&content).unwrap();
        let secrets = CookieSecrets::new(secrets, [0; 16]);
        let (made, good) = secrets.answer(&cookie, address.parse().unwrap(), now_s);
        (HEXLOWER.encode(&made), good)
    }

    const FIRST: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";
    const ROLLED: &str = "445536bcd2513298075a5d379663c962";
    const FORMER: &str = "dd3bdf9344b678b185a6f5cb60fca715";

    #[test]
    fn rfc_9018_appendix_a() {
        let (client, address) = ("2464c4abcf10c957", "198.51.100.100");
        let first = "010000005cf79f111f8130c3eee29480";
        assert_eq!(
            check(&[FIRST], client, address, "", 1559731985),
            (first.into(), false)
        );
        // A.2: forty minutes later the cookie is good and is renewed.
        let renewed = "010000005cf7a871d4a564a1442aca77";
        assert_eq!(
            check(&[FIRST], client, address, first, 1559734385),
            (renewed.into(), true)
        );
        // A.3: reserved octets that are not zero are hashed as they came.
        let (client, address) = ("fc93fc62807ddb86", "203.0.113.203");
        let sent = "01abcdef5cf78f71a314227b6679ebf5";
        let made = "010000005cf7a9acf73a7810aca2381e";
        assert_eq!(
            check(&[FIRST], client, address, sent, 1559734700),
            (made.into(), false)
        );
        assert_eq!(
            check(&[FIRST], client, address, sent, 1559728000),
            (sent.into(), true)
        );
        // A.4: a cookie of the former secret is good while it is still listed.
        let (client, address) = ("22681ab97d52c298", "2001:db8:220:1:59de:d0f4:8769:82b8");
        let sent = "010000005cf7c57926556bd0934c72f8";
        let made = "010000005cf7c609a6bb79d16625507a";
        let signed_anew = check(&[ROLLED], client, address, sent, 1559741961);
        assert_eq!(signed_anew, (made.into(), false));
        let renewed = check(&[ROLLED, FORMER], client, address, sent, 1559741961);
        assert_eq!(renewed, (made.into(), true));
    }

    #[test]
    fn age_and_address_bound_a_cookie() {
        let (client, address) = ("2464c4abcf10c957", "198.51.100.100");
        let sent = "010000005cf79f111f8130c3eee29480";
        let good = |now_s| check(&[FIRST], client, address, sent, now_s).1;
        assert!(good(1559731985 + 3600) && !good(1559731985 + 3601));
        assert!(good(1559731985 - 300) && !good(1559731985 - 301));
        assert!(!check(&[FIRST], client, "198.51.100.101", sent, 1559731985).1);
        assert!(
            !check(
                &[FIRST],
                client,
                address,
                &format!("02{}", &sent[2..]),
                1559731985
            )
            .1
        );
    }

    #[test]
    fn lengths() {
        let lengths = (0..=48).filter(|length| CookieOption::parse(&[0; 48][..*length]).is_some());
        let expected: Vec<usize> = [8].into_iter().chain(16..=40).collect();
        assert_eq!(lengths.collect::<Vec<_>>(), expected);
    }
}
