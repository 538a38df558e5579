//! Names of pods in the three modes.

use super::objects::pod;
use super::*;

fn objects() -> Vec<Value> {
    vec![
        namespace("prod"),
        pod("a", "Running", "10.1.0.7 fd00:1::7"),
        pod("b", "Pending", ""),
    ]
}

#[test]
fn pods_have_names_in_some_modes() {
    let check = |pods, expected: Expect| {
        let settings = with(|settings| settings.pods = pods);
        let told = shown(&index(&settings, &objects()), |key| {
            !key.starts_with("records/")
        });
        expected.assert_eq(&told);
    };
    check(
        PodNames::Disabled,
        expect![[r#"
        namespaces/prod/prod
          prod.svc.z.test. exists
    "#]],
    );
    check(
        PodNames::Insecure,
        expect![[r#"
        namespaces/prod/prod
          prod.svc.z.test. exists
          prod.pod.z.test. 5 addresses
    "#]],
    );
    check(
        PodNames::Verified,
        expect![[r#"
        namespaces/prod/prod
          prod.svc.z.test. exists
          prod.pod.z.test. exists
        pods/prod/a
          10-1-0-7.prod.pod.z.test. 5 A 10.1.0.7
          fd00-1--7.prod.pod.z.test. 5 AAAA fd00:1::7
    "#]],
    );
}

#[test]
fn a_pod_that_ended_has_no_name() {
    let settings = with(|settings| settings.pods = PodNames::Verified);
    let check = |object, expected| check_with(&settings, &[object], expected);
    check(pod("a", "Succeeded", "10.1.0.7"), expect![[""]]);
    check(pod("a", "Failed", "10.1.0.7"), expect![[""]]);
    check(
        pod("a", "Unknown", "10.1.0.7"),
        expect![[r#"
        pods/prod/a
          10-1-0-7.prod.pod.z.test. 5 A 10.1.0.7
    "#]],
    );
    check(
        json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "prod"}}),
        expect![[""]],
    );
    let mut one = pod("a", "Running", "");
    one["status"]["podIP"] = "10.1.0.8".into();
    check(
        one,
        expect![[r#"
        pods/prod/a
          10-1-0-8.prod.pod.z.test. 5 A 10.1.0.8
    "#]],
    );
}

#[test]
fn pods_are_in_every_zone_without_a_pointer() {
    let settings = with(|settings| {
        settings.pods = PodNames::Verified;
        settings.zones = names(&["z.test", "y.test"]);
    });
    check_with(
        &settings,
        &[pod("a", "Running", "10.1.0.7")],
        expect![[r#"
        pods/prod/a
          10-1-0-7.prod.pod.y.test. 5 A 10.1.0.7
          10-1-0-7.prod.pod.z.test. 5 A 10.1.0.7
    "#]],
    );
}
