//! The change path against a store that does all that stores do to their readers, with chances
//! that follow from a seed: whatever happens, names that never changed never go, and when the store
//! behaves again every core ends equal to it. Time is simulated, so hours take no time.
//!
//! A failure names its seed; `SIMULATION_SEED=n cargo test --test simulation any_seed` runs that
//! one alone. The cases that were once found, or that the failure model names, are in `cases`.

mod cases;
mod server;
mod store;

use std::time::Duration;

use containerdns::choice::Spread;
use containerdns::model::Adds;

use server::{HOLD, RELIST, Server, key_routes, steady_pair, steady_pair_in_view};
use store::{Content, Faults, ModelStore};

const SEEDS: u64 = 60;
const STEPS: usize = 300;
const STEADY_NAMES: usize = 12;
const CORES: usize = 3;

#[test]
fn every_core_ends_equal_to_the_store_with_any_seed() {
    let seeds = match std::env::var("SIMULATION_SEED") {
        Ok(seed) => vec![seed.parse().expect("SIMULATION_SEED is a number")],
        Err(_) => Vec::from_iter(1..=SEEDS),
    };
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build();
            runtime.expect("a runtime").block_on(simulate(seed));
        });
        if let Err(panic) = run {
            let shown = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("SIMULATION_SEED={seed}: {shown}");
        }
    }
}

/// What one run does: chances, and what they have done so far.
struct Chance {
    spread: Spread,
    stalled: Vec<usize>,
    cluster_id: u64,
}

async fn simulate(seed: u64) {
    let mut chance = Chance {
        spread: Spread::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c16)),
        stalled: Vec::new(),
        cluster_id: 1,
    };
    let store = ModelStore::new(seed.wrapping_mul(0xbf58_476d_1ce4_e5ba));
    for _ in 0..chance.spread.below(40) {
        chance.write(&store);
    }
    let mut server = Server::start(&store, CORES, STEADY_NAMES);
    for _ in 0..STEPS {
        chance.step(&store);
        let ms = match chance.spread.below(20) {
            0 => 1 + chance.spread.below(3_000),
            1..=6 => 1 + chance.spread.below(60),
            _ => 0,
        };
        let stalled = chance.stalled.clone();
        server
            .pass(Duration::from_millis(ms as u64), &stalled)
            .await;
    }
    store.set_faults(Faults::default());
    chance.replace_bad_values(&store);
    server.pass(2 * RELIST + 2 * HOLD, &[]).await;
    server.until_ready().await;
    server.assert_equal();
}

impl Chance {
    fn step(&mut self, store: &ModelStore) {
        match self.spread.below(100) {
            0..=69 => self.write(store),
            70..=75 => store.compact(),
            76..=79 => store.break_watches(),
            80..=85 => store.set_faults(self.faults()),
            86..=90 => store.set_faults(Faults::default()),
            91..=94 => {
                let core = self.spread.below(CORES);
                self.stalled.push(core);
            }
            95..=98 => self.stalled.clear(),
            _ => self.replace(store),
        }
    }

    fn faults(&mut self) -> Faults {
        let mut chance = |of: usize, in_thousand| {
            if self.spread.below(of) == 0 {
                in_thousand
            } else {
                0
            }
        };
        Faults {
            page_fails: chance(2, 200),
            watch_fails: chance(3, 100),
            events_repeat: chance(2, 300),
            page_ms_max: chance(2, 40),
            away: chance(6, 1) == 1,
            watch_hangs: chance(6, 1) == 1,
            ..Faults::default()
        }
    }

    /// Another store, or an older state of this one, with what was in it and a little less.
    fn replace(&mut self, store: &ModelStore) {
        let mut content: Content = store.content();
        let steady = steady_pair(0).0.replace("/0", "/");
        let (in_view, _) = steady_pair_in_view();
        let stays = |key: &[u8]| key.starts_with(steady.as_bytes()) || key == in_view.as_bytes();
        content.retain(|key, _| stays(key) || self.spread.below(8) > 0);
        let revision = store.revision();
        let older = revision - self.spread.below(revision as usize) as i64;
        for (_, mod_revision) in content.values_mut() {
            *mod_revision = (*mod_revision).min(older);
        }
        self.cluster_id += self.spread.below(2) as u64;
        store.replace(self.cluster_id, older, content);
    }

    /// Values that make no sense keep what was before them, which only their reader knows.
    fn replace_bad_values(&mut self, store: &ModelStore) {
        let routes = key_routes();
        for (key, (value, _)) in store.content() {
            if !matches!(routes.decode(&key, &value), Ok(adds) if !matches!(adds, Adds::Bad)) {
                let key = String::from_utf8(key).expect("keys are text here");
                store.delete(&key);
            }
        }
    }

    fn write(&mut self, store: &ModelStore) {
        let key = self.key();
        match self.spread.below(10) {
            0..=2 => store.delete(&key),
            3 => store.put(
                &key,
                self.pick(&["", "{}", "[1]", r#"{"host":"10.0.0"}"#, "{\"v\":9}"]),
            ),
            _ => {
                let value = self.value(&key);
                store.put(&key, &value);
            }
        }
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.spread.below(of.len())]
    }

    fn key(&mut self) -> String {
        let label = ["a", "b", "c"];
        let (one, two) = (self.pick(&label), self.pick(&["a", "b", "*", "id1", "id2"]));
        match self.spread.below(7) {
            6 => format!("/views/office/one/services/ns/{one}{two}").replace('*', "w"),
            0 => format!("/containerdns/t/{one}/{two}/"),
            1 => format!("/skydns/t/{one}"),
            2 => format!("/skydns/t/{one}/{two}"),
            3 => format!(
                "/containerdns/monitor/status/10.0.0.{}",
                self.spread.below(4)
            ),
            _ => format!("/containerdns-kube/one/services/ns/{one}{two}").replace('*', "w"),
        }
    }

    fn value(&mut self, key: &str) -> String {
        let address = format!("10.0.0.{}", self.spread.below(6));
        let ttl = 1 + self.spread.below(3) * 30;
        if key.contains("/monitor/") {
            let status = self.pick(&["UP", "DOWN"]);
            return format!(r#"{{"status":"{status}"}}"#);
        }
        if key.starts_with("/containerdns-kube/") || key.starts_with("/views/") {
            let rrsets: Vec<String> = (0..1 + self.spread.below(3))
                .map(|_| self.rrset())
                .collect();
            return format!(r#"{{"v":1,"rrsets":[{}]}}"#, rrsets.join(","));
        }
        let sky = key.starts_with("/skydns/");
        match self.spread.below(6) {
            0 => format!(r#"{{"type":"CNAME","host":"d.t","ttl":{ttl}}}"#),
            1 if sky => format!(r#"{{"text":"some text","ttl":{ttl}}}"#),
            2 if sky => format!(r#"{{"host":"{address}","group":"g","ttl":{ttl}}}"#),
            3 if sky => format!(r#"{{"host":"{address}","targetstrip":1}}"#),
            4 if sky => format!(r#"{{"host":"{address}","text":"both","port":80}}"#),
            _ if sky => format!(r#"{{"host":"{address}","ttl":{ttl}}}"#),
            _ => format!(r#"{{"type":"A","host":"{address}","ttl":{ttl}}}"#),
        }
    }

    fn rrset(&mut self) -> String {
        let owner = self.pick(&[
            "t", "a.t", "x.a.t", "y.x.a.t", "*.a.t", "b.t", "n.b.t", "*.t", "d.t", "C.t",
        ]);
        let (rtype, rdata) = [
            ("A", "10.0.0.1"),
            ("A", "10.0.0.5"),
            ("AAAA", "fd00::1"),
            ("NS", "n.b.t."),
            ("NS", "x.a.t."),
            ("CNAME", "d.t."),
            ("TXT", "text"),
            ("MX", "10 a.t."),
            ("SOA", "a.t. b.t. 1 2 3 4 5"),
        ][self.spread.below(9)];
        format!(r#"{{"name":"{owner}","type":"{rtype}","rdata":["{rdata}"]}}"#)
    }
}
