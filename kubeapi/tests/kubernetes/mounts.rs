//! Both mounts under the client that the controller uses: the same objects, the same lists, and
//! kube's watcher, with streamed lists and with paged ones.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::timeout;

use crate::client::{service, slice};
use crate::stand_in::{StandIn, TOKEN};

/// An event later than this is a failure, not a slow machine.
const EVENT_LIMIT: Duration = Duration::from_secs(30);

/// Both mounts of a stand-in.
async fn mounts(stand_in: &StandIn) -> [Client; 2] {
    [stand_in.client(), stand_in.connect().await]
}

/// The events of a watcher until one of them is `last`, as text.
async fn until<S>(events: &mut S, last: &str) -> Vec<String>
where
    S: Stream<Item = watcher::Result<Event<Service>>> + Unpin,
{
    let mut seen = Vec::new();
    while seen.last().is_none_or(|seen| seen != last) {
        let event = timeout(EVENT_LIMIT, events.next()).await;
        let event = event.unwrap_or_else(|_| panic!("no {last} after {seen:?}"));
        let name = |object: Service| object.name_any();
        seen.push(match event.expect("a watcher never ends") {
            Ok(Event::Init) => "init".to_owned(),
            Ok(Event::InitApply(object)) => format!("listed {}", name(object)),
            Ok(Event::InitDone) => "done".to_owned(),
            Ok(Event::Apply(object)) => format!("applied {}", name(object)),
            Ok(Event::Delete(object)) => format!("deleted {}", name(object)),
            Err(error) => panic!("{error} after {seen:?}"),
        });
    }
    seen
}

#[tokio::test]
async fn a_client_reads_and_writes_objects() {
    let stand_in = StandIn::start();
    for (at, client) in mounts(&stand_in).await.into_iter().enumerate() {
        let services: Api<Service> = Api::namespaced(client.clone(), "shop");
        let web = serde_json::from_value(service("shop", "web", "1")).expect("a Service");
        let made = services.create(&PostParams::default(), &web).await;
        let made = made.expect("created");
        assert!(made.uid().is_some() && made.creation_timestamp().is_some());
        let list = services.list(&ListParams::default()).await.expect("a list");
        assert_eq!(list.items.as_slice(), std::slice::from_ref(&made));
        assert_eq!(services.get("web").await.ok(), Some(made.clone()));
        let twice = services.create(&PostParams::default(), &web).await;
        assert!(matches!(twice, Err(kube::Error::Api(status)) if status.code == 409));
        let deleted = services.delete("web", &DeleteParams::default()).await;
        assert!(deleted.expect("deleted").is_right(), "mount {at}");
        assert!(services.get_opt("web").await.expect("no error").is_none());
        let slices: Api<EndpointSlice> = Api::namespaced(client, "shop");
        let looped = slice("shop", "web", "127.0.0.1");
        let looped = serde_json::from_value(looped).expect("an EndpointSlice");
        let refused = slices.create(&PostParams::default(), &looped).await;
        assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 422));
    }
}

#[tokio::test]
async fn a_watcher_lists_and_follows() {
    for streaming in [false, true] {
        let stand_in = StandIn::start();
        for client in mounts(&stand_in).await {
            for name in ["a", "b", "c"] {
                stand_in.apply(service("shop", name, "1"));
            }
            let mut config = watcher::Config::default().page_size(2);
            if streaming {
                config = config.streaming_lists();
            }
            let mut events = pin!(watcher(Api::<Service>::all(client), config));
            let listed = until(&mut events, "done").await;
            let expected = ["init", "listed a", "listed b", "listed c", "done"];
            assert_eq!(listed, expected);
            stand_in.apply(service("shop", "b", "2"));
            stand_in.delete("Service", "shop", "a");
            let followed = until(&mut events, "deleted a").await;
            assert_eq!(followed, ["applied b", "deleted a"]);
            stand_in.close_watches();
            stand_in.apply(service("shop", "d", "1"));
            assert_eq!(until(&mut events, "applied d").await, ["applied d"]);
            stand_in.delete("Service", "shop", "d");
        }
        let pages = stand_in.requests_with(&["GET", "/services?", "limit=2"]);
        assert_eq!(pages, if streaming { 0 } else { 4 });
    }
}

#[tokio::test]
async fn an_expired_watch_makes_the_watcher_list_again() {
    let stand_in = StandIn::start();
    for client in mounts(&stand_in).await {
        stand_in.apply(service("shop", "a", "1"));
        stand_in.apply(service("shop", "b", "1"));
        let api = Api::<Service>::all(client);
        let mut events = pin!(watcher(api, watcher::Config::default()));
        assert_eq!(until(&mut events, "done").await.len(), 4);
        // The watch is opened by the next poll.
        let opened = timeout(Duration::from_millis(200), events.next()).await;
        assert!(opened.is_err());
        stand_in.faults(|faults| faults.frozen = true);
        stand_in.close_watches();
        while stand_in.watches() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stand_in.delete("Service", "shop", "a");
        stand_in.compact();
        stand_in.faults(|faults| faults.frozen = false);
        let error = loop {
            match timeout(EVENT_LIMIT, events.next()).await.expect("in time") {
                Some(Err(error)) => break error,
                other => assert!(other.is_some(), "a watcher never ends"),
            }
        };
        assert!(matches!(&error, watcher::Error::WatchError(status) if status.code == 410));
        let again = until(&mut events, "done").await;
        assert_eq!(again, ["init", "listed b", "done"]);
    }
}

#[tokio::test]
async fn nothing_answers_while_stopped() {
    let stand_in = StandIn::start();
    stand_in.apply(service("shop", "a", "1"));
    for client in mounts(&stand_in).await {
        let services = Api::<Service>::all(client);
        let watched = watcher::Config::default();
        let mut events = pin!(watcher(services.clone(), watched));
        assert_eq!(until(&mut events, "done").await.len(), 3);
        assert!(
            timeout(Duration::from_millis(200), events.next())
                .await
                .is_err()
        );
        stand_in.stop();
        assert!(services.list(&ListParams::default()).await.is_err());
        let failed = timeout(EVENT_LIMIT, events.next()).await.expect("in time");
        assert!(matches!(failed, Some(Err(_))), "{failed:?}");
        stand_in.restart();
        let list = services.list(&ListParams::default()).await.expect("a list");
        assert_eq!(list.items.len(), 1);
    }
}

#[tokio::test]
async fn a_kubeconfig_names_the_token() {
    let stand_in = StandIn::start();
    stand_in.faults(|faults| faults.token = Some(TOKEN.to_owned()));
    let services = Api::<Service>::all(stand_in.connect().await);
    assert!(services.list(&ListParams::default()).await.is_ok());
    stand_in.faults(|faults| faults.token = Some("another".to_owned()));
    let refused = services.list(&ListParams::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 401));
}

#[tokio::test]
async fn posted_events_are_kept() {
    let stand_in = StandIn::start();
    let event = json!({
        "metadata": {"generateName": "web.", "namespace": "shop"},
        "reason": "Skipped",
        "involvedObject": {},
    });
    let event = serde_json::from_value(event).expect("an Event");
    let api: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(stand_in.client(), "shop");
    api.create(&PostParams::default(), &event)
        .await
        .expect("created");
    let kept = stand_in.objects("Event");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0]["reason"], "Skipped");
}
