//! The members of the cluster: which one is asked, and what happens when it fails.
//!
//! All calls go to one member. When it does not answer, hangs or has lost its leader, its
//! connection is dropped and the next member is taken, after it has shown that it answers and
//! knows a leader. A read is then repeated there at once; a write is not, since it may have been
//! committed.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Error, Identity, TlsOptions};
use tokio::sync::Mutex;

use super::EtcdOptions;
use super::fault::Fault;
use crate::StoreError;

/// How long one call may take. etcd itself gives up on a write after 7 s at the latest.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a member may take to show that it answers, logging in included.
const HELLO_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a TCP and TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// When a silent connection is pinged. etcd closes connections that are pinged more often than
/// every 5 s, or without a call open, so: a little longer, and only during calls and watches.
const PING_INTERVAL: Duration = Duration::from_secs(6);

/// How long the answer to a ping may take: with the interval, a hang is noticed within 11 s.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Members asked for one call.
const MEMBERS_ASKED_MAX: usize = 5;

/// Whether a call may be sent again without knowing what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It may have changed something.
    Never,
    /// It reads, or changes the same thing only once.
    OnEachMember,
}

/// The members and their connections.
#[derive(Debug)]
pub(super) struct Members {
    options: EtcdOptions,
    members: Vec<Member>,
    /// The member in use: an index of `members`, modulo their number.
    used: AtomicUsize,
}

struct Member {
    endpoint: String,
    /// None until the member has answered once, and after it failed.
    client: Mutex<Option<Client>>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.endpoint)
    }
}

impl Members {
    pub(super) fn new(options: EtcdOptions) -> Result<Members, StoreError> {
        let refused = |message: String| Err(StoreError::Refused(message));
        if options.endpoints.is_empty() {
            return refused("etcd: no endpoints".into());
        }
        for endpoint in &options.endpoints {
            let scheme = if options.tls.is_some() {
                &["https://"][..]
            } else {
                &["http://", "https://"]
            };
            if !scheme.iter().any(|scheme| endpoint.starts_with(scheme)) {
                let expected = scheme.join(" or ");
                return refused(format!("etcd endpoint {endpoint}: expected {expected}"));
            }
        }
        if options.user.is_some() != options.password_file.is_some() {
            return refused("etcd: user and password_file go together".into());
        }
        connect_options(&options).map_err(StoreError::from)?;
        let member = |endpoint: &String| Member {
            endpoint: endpoint.clone(),
            client: Mutex::new(None),
        };
        Ok(Members {
            members: options.endpoints.iter().map(member).collect(),
            options,
            used: AtomicUsize::new(0),
        })
    }

    /// [`Members::call_raw`] with the error as callers of the store see it.
    pub(super) async fn call<T, F>(
        &self,
        repeat: Repeat,
        call: impl Fn(Client) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.call_raw(repeat, call).await.map_err(StoreError::from)
    }

    /// Calls the member in use. An expired token is renewed and the call repeated; it was not
    /// looked at.
    pub(super) async fn call_raw<T, F>(
        &self,
        repeat: Repeat,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let tries = match repeat {
            Repeat::Never => 1,
            Repeat::OnEachMember => self.members.len().clamp(2, MEMBERS_ASKED_MAX),
        };
        let mut away = None;
        for _ in 0..tries {
            let (place, client) = self.client().await?;
            let answer = match within(CALL_TIMEOUT, call(client)).await {
                Err(Fault::Unknown(reason)) => {
                    self.leave(place, &reason).await;
                    let (_, client) = self.client().await?;
                    within(CALL_TIMEOUT, call(client)).await
                }
                answer => answer,
            };
            match answer {
                Err(Fault::Away(reason)) => {
                    self.leave(place, &reason).await;
                    away = Some(self.away(place, reason));
                }
                answer => return answer,
            }
        }
        Err(away.unwrap_or_else(|| Fault::Away("no member was asked".into())))
    }

    /// A connection to a member that answered, and its place. Callers wait for each other here,
    /// so the wait has a limit too.
    pub(super) async fn client(&self) -> Result<(usize, Client), Fault> {
        within_fault(CALL_TIMEOUT, self.answering_client()).await
    }

    async fn answering_client(&self) -> Result<(usize, Client), Fault> {
        let mut away = None;
        for _ in 0..self.members.len().min(MEMBERS_ASKED_MAX) {
            let place = self.used.load(Ordering::Relaxed);
            let mut client = self.members[place % self.members.len()].client.lock().await;
            if let Some(client) = client.as_ref() {
                return Ok((place, client.clone()));
            }
            match within_fault(HELLO_TIMEOUT, self.greet(place)).await {
                Ok(greeted) => {
                    *client = Some(greeted.clone());
                    return Ok((place, greeted));
                }
                Err(Fault::Away(reason)) => {
                    self.take_next(place);
                    away = Some(self.away(place, reason));
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(away.unwrap_or_else(|| Fault::Away("no member was asked".into())))
    }

    /// Gives up the connection at `place`, so that the next call takes another member.
    pub(super) async fn leave(&self, place: usize, reason: &str) {
        let member = &self.members[place % self.members.len()];
        tracing::debug!(endpoint = member.endpoint, reason, "leaving an etcd member");
        let mut client = member.client.lock().await;
        if self.take_next(place) {
            *client = None;
        }
    }

    /// Moves on from `place`, unless another call already did.
    fn take_next(&self, place: usize) -> bool {
        let next = place.wrapping_add(1);
        self.used
            .compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Connects to a member and has it show that it answers and knows a leader.
    async fn greet(&self, place: usize) -> Result<Client, Fault> {
        let options = connect_options(&self.options)?;
        let endpoint = &self.members[place % self.members.len()].endpoint;
        let client = Client::connect([endpoint], Some(options))
            .await
            .map_err(|error| Fault::from(&error))?;
        match client.maintenance_client().status().await {
            Ok(status) if status.leader() == 0 => Err(Fault::Away("it has no leader".into())),
            Ok(_) => Ok(client),
            Err(error) => match Fault::from(&error) {
                // It answers, and leaves its status to others.
                Fault::Refused(_) => Ok(client),
                fault => Err(fault),
            },
        }
    }

    fn away(&self, place: usize, reason: String) -> Fault {
        let endpoint = &self.members[place % self.members.len()].endpoint;
        Fault::Away(format!("{endpoint}: {reason}"))
    }
}

/// Waits for a call of etcd, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Fault> {
    within_fault(limit, async {
        call.await.map_err(|error| Fault::from(&error))
    })
    .await
}

async fn within_fault<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = || Fault::Away(format!("no answer within {} s", limit.as_secs()));
    tokio::time::timeout(limit, call)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// Reads the files that a connection needs.
fn connect_options(options: &EtcdOptions) -> Result<ConnectOptions, Fault> {
    let mut connect = ConnectOptions::new()
        .with_require_leader(true)
        .with_auto_token_refresh(true)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_keep_alive(PING_INTERVAL, PING_TIMEOUT)
        .with_keep_alive_while_idle(false);
    if let Some(files) = &options.tls {
        let authorities = Certificate::from_pem(read(&files.ca)?);
        let mut tls = TlsOptions::new().ca_certificate(authorities);
        if let Some((certificate, key)) = &files.client {
            tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        connect = connect.with_tls(tls);
    }
    if let (Some(user), Some(file)) = (&options.user, &options.password_file) {
        let password = String::from_utf8(read(file)?)
            .map_err(|_| Fault::Refused(format!("{}: is not UTF-8", file.display())))?;
        connect = connect.with_user(user, password.trim_end_matches(['\r', '\n']));
    }
    Ok(connect)
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|error| Fault::Refused(format!("{}: {error}", path.display())))
}
