//! Names with an owner: who may change them, by token, by `?user=` and by the body.

use expect_test::expect_file;

use crate::etcd::Etcd;
use crate::server::Api;
use crate::transcript::{self, Stage};

#[test]
fn a_name_with_an_owner_is_changed_by_that_owner_only() {
    let etcd = Etcd::start();
    let api = Api::over(etcd.client());
    let stage = Stage {
        api: &api,
        etcd: Some(&etcd),
    };
    transcript::check(
        &stage,
        include_str!("owners.txt"),
        &expect_file!["owners.txt"],
    );
}
