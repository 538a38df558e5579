//! The loop of the prober: news of the store, probes that are due, answers, and writes.
//!
//! It decides nothing: see [`super`] for who does. Bounds: probes and writes under way; a backend
//! has one probe and one write under way at most.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use containerdns_schema::probe::Probe;
use containerdns_schema::{Format, Status};
use containerdns_store::{Revision, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::alert::{self, Alerts};
use super::ask::{Asker, Unhealthy};
use super::board::{self, Board, Concerned, PROBER_PREFIX, Said, Target};
use super::duty;
use super::fleet::Fleet;
use super::metrics::{Metrics, ProbeLabel};
use super::rounds::Rounds;
use super::settings::Settings;
use super::verdict::{Ended, Judge, Landed, Observed, Write};
use crate::follow::{self, News};
use crate::lease::{Candidate, Fitness, Term};
use crate::pace::Seldom;
use crate::role::{Pulse, Running};

/// News of the store that may wait.
const NEWS_MAX: usize = 64;
/// The loop turns at least this often.
const TICK: Duration = Duration::from_secs(1);
/// After probers came or went, votes need this long to settle: nobody is called up meanwhile.
const SETTLE: Duration = Duration::from_secs(5);

/// Starts the role on this runtime; it ends with it.
pub fn start(store: &Arc<dyn Store>, settings: Settings, metrics: Metrics) -> Running {
    let settings = Arc::new(settings);
    let (sender, news) = mpsc::channel(NEWS_MAX);
    let sources = follow_all(store, &settings, &sender);
    let (terms_sender, terms) = watch::channel(None);
    let (refused, refusals) = watch::channel(0);
    let candidate = Candidate {
        store: Arc::clone(store),
        key: board::member_key(&settings.identity),
        cluster_key: None,
        identity: settings.identity.clone(),
        said: ["this process probes now", "this process probes no more"],
    };
    let (fitness, fitness_seen) = watch::channel(Fitness::Unfit);
    let candidate = tokio::spawn(candidate.run(terms_sender, refusals, fitness_seen));
    let (ending, ending_seen) = watch::channel(false);
    let pulse = Pulse::new("prober", sources);
    let status = pulse.status();
    let alerts = settings.alert.clone().map(|alert| {
        let (identity, cluster) = (settings.identity.clone(), settings.cluster.clone());
        alert::start(alert, identity, cluster, metrics.alerts.clone())
    });
    let prober = Prober {
        board: Board::new(&settings.health_prefix),
        fleet: Fleet::new(settings.limits),
        rounds: Rounds::new(settings.pattern),
        asker: Arc::new(Asker::new(settings.ask.clone())),
        probes: JoinSet::new(),
        probing: HashMap::new(),
        local: Seldom::default(),
        judge: Judge::new(Arc::clone(store), Arc::clone(&settings), metrics.clone()),
        reasons: HashMap::new(),
        unsettled: BTreeSet::new(),
        failed: BTreeSet::new(),
        ticked_at: Instant::now(),
        settled_at: None,
        news,
        terms,
        term: None,
        refused,
        fitness,
        ending: ending_seen,
        alerts,
        pulse,
        metrics,
        settings,
    };
    tokio::spawn(prober.run());
    Running {
        status,
        ending,
        candidate,
    }
}

/// News with the name and prefix of where they come from.
type Told = (&'static str, Vec<u8>, News<Said>);

/// Follows all that the board holds; the names of what is followed.
fn follow_all(
    store: &Arc<dyn Store>,
    settings: &Arc<Settings>,
    news: &mpsc::Sender<Told>,
) -> Vec<&'static str> {
    type Read = Box<dyn Fn(&[u8], &[u8]) -> Said + Send + Sync>;
    let status: Read = Box::new(|_, value| Said::Status(value.into()));
    let prober: Read = Box::new(|key, _| board::read_prober_key(key));
    let mut sources = vec![
        ("status keys", settings.health_prefix.clone(), status),
        ("probers", PROBER_PREFIX.to_owned(), prober),
    ];
    for records in &settings.records {
        let (records, settings) = (records.clone(), Arc::clone(settings));
        let prefix = records.prefix.clone();
        let name = match records.format {
            Format::Bundle => "bundles",
            Format::ContainerDns | Format::SkyDns => "records",
        };
        let read: Read =
            Box::new(move |key, value| board::read_records(&records, &settings.zones, key, value));
        sources.push((name, prefix, read));
    }
    let names = sources.iter().map(|(name, ..)| *name).collect();
    for (name, prefix, read) in sources {
        let (sender, mut own) = mpsc::channel(NEWS_MAX);
        let (prefix, all) = (prefix.into_bytes(), news.clone());
        let (store, relist) = (Arc::clone(store), settings.relist);
        tokio::spawn(follow::run(store, prefix.clone(), relist, read, sender));
        tokio::spawn(async move {
            while let Some(news) = own.recv().await {
                if all.send((name, prefix.clone(), news)).await.is_err() {
                    return;
                }
            }
        });
    }
    names
}

/// A probe that ended: of whom, what was done, how long it took.
type Asked = (IpAddr, Probe, Duration, Result<(), Unhealthy>);

struct Prober {
    settings: Arc<Settings>,
    board: Board,
    fleet: Fleet,
    rounds: Rounds,
    asker: Arc<Asker>,
    probes: JoinSet<Asked>,
    probing: HashMap<Id, IpAddr>,
    judge: Judge,
    /// Probes that this machine could not make.
    local: Seldom,
    /// Why a backend last failed.
    reasons: HashMap<IpAddr, String>,
    /// Backends whose verdict is to be looked at.
    unsettled: BTreeSet<IpAddr>,
    /// Backends of which a write failed, until the next tick.
    failed: BTreeSet<IpAddr>,
    ticked_at: Instant,
    /// When what probers have said of each other's backends will have settled.
    settled_at: Option<Instant>,
    news: mpsc::Receiver<Told>,
    terms: watch::Receiver<Option<Term>>,
    /// The term in which everything was looked at.
    term: Option<Revision>,
    refused: watch::Sender<Revision>,
    fitness: watch::Sender<Fitness>,
    ending: watch::Receiver<bool>,
    alerts: Option<Alerts>,
    pulse: Pulse,
    metrics: Metrics,
}

impl Prober {
    async fn run(mut self) {
        loop {
            self.settle();
            let wake = self.ask_due();
            self.tell();
            tokio::select! {
                told = self.news.recv() => {
                    let Some((source, prefix, news)) = told else { return };
                    self.learn(source, &prefix, news);
                }
                Some(ended) = self.probes.join_next_with_id() => self.probe_ended(ended),
                Some(landed) = self.judge.landed() => self.landed(landed),
                changed = self.terms.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.term_changed();
                }
                Ok(()) = self.ending.changed() => {
                    self.fitness.send_replace(Fitness::Ending);
                }
                () = sleep_until(wake) => {}
            }
        }
    }

    /// The lease was renewed, or another term has begun, or none holds.
    fn term_changed(&mut self) {
        let term = self.terms.borrow_and_update().as_ref().map(Term::revision);
        if term != self.term {
            self.term = term;
            self.look_at_all();
        }
    }

    fn learn(&mut self, source: &'static str, prefix: &[u8], news: News<Said>) {
        let listed = matches!(news, News::Listed { .. });
        let Concerned {
            members,
            addresses,
            statuses,
        } = self.board.take(prefix, news);
        if listed && !self.pulse.is_ready() {
            let mut waits_for = self.pulse.status().waits_for();
            if let Some(at) = waits_for.iter().position(|waited| *waited == source) {
                waits_for.remove(at);
            }
            if waits_for.is_empty() {
                info!(
                    targets = self.board.addresses().len(),
                    "the store has been read"
                );
                self.fitness.send_replace(Fitness::Fit(None));
            }
            self.pulse.waits_for(waits_for);
        }
        if members {
            self.unsettle();
            self.look_at_all();
        }
        for address in statuses {
            self.believe_the_store(address);
        }
        self.unsettled.extend(addresses);
    }

    /// Somebody else than a prober wrote the status: it is believed until answers say otherwise.
    fn believe_the_store(&mut self, address: IpAddr) {
        // That a key is gone says nothing about the backend.
        if self.board.status(address).is_none() {
            return;
        }
        let Some(target) = self.board.target(address) else {
            return;
        };
        let other = match (&target.prober, self.settings.quorum) {
            (None, _) => true,
            (Some(prober), 1) => *prober != self.settings.identity,
            (Some(_), _) => false,
        };
        let believed = self.fleet.believed(address);
        if other && believed.is_some_and(|believed| believed != target.status) {
            self.fleet.gain(address, target.status);
            self.unsettle();
        }
    }

    /// What probers say of each other's backends takes some time to be true. One that comes and
    /// goes all the time must not make that time endless.
    fn unsettle(&mut self) {
        self.settled_at
            .get_or_insert_with(|| Instant::now() + SETTLE);
    }

    fn look_at_all(&mut self) {
        let gone = self.fleet.addresses().collect::<Vec<_>>();
        self.unsettled.extend(self.board.addresses());
        self.unsettled.extend(gone);
    }

    /// Looks at every backend of which anything has changed: whether it is looked at from here, and
    /// what is to be written.
    fn settle(&mut self) {
        if self.settled_at.is_some_and(|at| at <= Instant::now()) {
            self.settled_at = None;
            self.look_at_all();
        }
        if self.ticked_at.elapsed() >= TICK {
            self.ticked_at = Instant::now();
            self.metrics.targets.set(self.board.len() as i64);
            self.unsettled.append(&mut self.failed);
        }
        if self.unsettled.is_empty() || !self.pulse.is_ready() {
            return;
        }
        let term = self.terms.borrow().clone().filter(Term::holds);
        let settings = Arc::clone(&self.settings);
        while let Some(address) = self.unsettled.pop_first() {
            // Enough others must look for a majority of them to decide.
            let members = self.board.members();
            let observers = duty::observers(members, address, 2 * settings.quorum - 1);
            let own = observers
                .iter()
                .any(|observer| *observer == settings.identity);
            let target = self.board.target(address).filter(|_| own);
            // One that has no key of its own takes nothing in.
            let gains = term.is_some();
            match &target {
                Some(target) if gains && !self.fleet.has(address) => {
                    self.fleet.gain(address, target.status);
                    self.rounds.add(address, Instant::now(), fastrand::f64());
                }
                Some(_) => {}
                None => {
                    self.fleet.lose(address);
                    self.rounds.remove(address);
                    self.reasons.remove(&address);
                }
            }
            let Some(term) = &term else { continue };
            let settling = self.settled_at.is_some();
            let observed = Observed {
                address,
                observers: &observers,
                believed: self.fleet.believed(address),
                failed: self.fleet.has_failed(address),
                settling,
            };
            if !self.judge.settle(&self.board, &observed, term) {
                // Writes enough are under way: one that lands makes room.
                self.unsettled.insert(address);
                break;
            }
        }
    }

    /// Begins the probes that are due, as far as there is room; says when to look again.
    fn ask_due(&mut self) -> Instant {
        let now = Instant::now();
        while self.probes.len() < self.settings.in_flight_max {
            let Some((address, late)) = self.rounds.take_due(now) else {
                break;
            };
            let Some(target) = self.board.target(address) else {
                self.rounds.remove(address);
                self.fleet.lose(address);
                self.unsettled.insert(address);
                continue;
            };
            self.metrics.late.observe(late.as_secs_f64());
            let probe = target.probe.unwrap_or_else(|| self.settings.probe.clone());
            let ports = match target.ports.is_empty() {
                true => self.settings.ports.clone(),
                false => target.ports,
            };
            let asker = Arc::clone(&self.asker);
            let probing = self.probes.spawn(async move {
                let began = Instant::now();
                let answer = asker.ask(address, &probe, &ports).await;
                (address, probe, began.elapsed(), answer)
            });
            self.probing.insert(probing.id(), address);
        }
        let tick = now + TICK;
        let due = self.rounds.next_due().filter(|due| *due > now);
        due.map_or(tick, |due| due.min(tick))
    }

    fn probe_ended(&mut self, ended: Result<(Id, Asked), JoinError>) {
        match ended {
            Ok((id, asked)) => {
                self.probing.remove(&id);
                self.answered(asked);
            }
            // One that panicked says nothing about the backend, which is asked again.
            Err(error) => {
                if let Some(address) = self.probing.remove(&error.id()) {
                    warn!(%address, %error, "a probe ended without an answer");
                    self.rounds.again(address, Instant::now(), fastrand::f64());
                }
            }
        }
    }

    fn answered(&mut self, (address, probe, took, answer): Asked) {
        let outcome = answer.as_ref().err().map_or("alive", Unhealthy::label);
        let method = probe.method.as_str();
        let label = ProbeLabel { method, outcome };
        self.metrics.probes.get_or_create(&label).inc();
        self.rounds.again(address, Instant::now(), fastrand::f64());
        let alive = match answer {
            // It says nothing about the backend.
            Err(Unhealthy::Local(reason)) => {
                if self.local.due() {
                    warn!(%address, %probe, reason, "a probe cannot be made from here");
                }
                return;
            }
            Err(reason) => {
                self.reasons.insert(address, reason.to_string());
                false
            }
            Ok(()) => {
                self.metrics.answer.observe(took.as_secs_f64());
                self.reasons.remove(&address);
                true
            }
        };
        let heard = self.fleet.heard(address, alive);
        match heard.blind {
            Some(true) => warn!(
                targets = self.fleet.len(),
                "more than half of the backends fail at once: this prober takes itself for cut off"
            ),
            Some(false) => info!("backends answer again: this prober judges again"),
            None => {}
        }
        self.metrics.blind.set(self.fleet.is_blind().into());
        // Also when nothing changed: a write that failed is tried again an interval later.
        self.unsettled.insert(address);
    }

    fn landed(&mut self, landed: Landed) {
        let Landed {
            address,
            write,
            ended,
        } = landed;
        match ended {
            Ended::Committed(revision, value) => match write {
                Write::Vote(down) => self.board.voted(address, &self.settings.identity, down),
                Write::Remove => self.board.committed(address, None, revision),
                Write::Verdict(target, status) => {
                    self.board.committed(address, value.as_deref(), revision);
                    if target.status != status {
                        self.announce(address, target, status);
                    }
                }
            },
            Ended::Conflict(revision, pair) => {
                let revision = pair.as_ref().map_or(revision, |pair| pair.mod_revision);
                let value = pair.as_ref().map(|pair| &pair.value[..]);
                self.board.committed(address, value, revision);
                self.believe_the_store(address);
            }
            Ended::Fenced(term) => {
                self.refused.send_replace(term);
                return;
            }
            Ended::Failed => {
                self.failed.insert(address);
                return;
            }
        }
        self.unsettled.insert(address);
    }

    fn announce(&self, address: IpAddr, target: Target, status: Status) {
        let reason = self.reasons.get(&address).cloned().unwrap_or_default();
        let names = target.names.join(" ");
        match status {
            Status::Down => warn!(%address, names, reason, "backend is down"),
            Status::Up => info!(%address, names, "backend is up again"),
        }
        if let Some(alerts) = &self.alerts {
            let names = target.names;
            alerts.tell(alert::Change {
                address,
                status,
                names,
                reason,
            });
        }
    }

    /// Shows where the role stands.
    fn tell(&self) {
        self.pulse.turned();
        let count = |count: usize| count as i64;
        self.metrics.own_targets.set(count(self.fleet.len()));
        self.metrics.in_flight.set(count(self.probes.len()));
        self.metrics
            .members
            .set(count(self.board.members().count()));
    }
}
