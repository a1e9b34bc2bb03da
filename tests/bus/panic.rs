//! A defect of ours in a partition ends the service, which would go on half dead.

use actix::System;
use jumeau::actors::{Durable, FatalError, StopPartition};
use jumeau::partition::Recovered;
use tokio::time::timeout;

use crate::partition::Part;
use crate::{PATIENCE, world};

#[test]
fn a_partition_that_panics_says_that_the_service_has_to_stop() {
    System::new().block_on(async {
        let world = world().await;
        let Part { partition, mut heard, .. } = Part::start(&world, 10, Recovered::default()).await;
        // A commit that nobody made cannot become durable: what the partition believes is wrong.
        partition.do_send(Durable(vec![77]));
        let FatalError(why) = timeout(PATIENCE, heard.recv()).await.expect("in time").unwrap();
        insta::assert_snapshot!(why, @"partition 7 panicked: this is a bug in jumeau, please report it; uncommitted events are processed again after the restart");
    });
}

#[test]
fn a_partition_that_is_told_to_end_says_nothing() {
    System::new().block_on(async {
        let world = world().await;
        let Part { partition, mut heard, .. } = Part::start(&world, 10, Recovered::default()).await;
        partition.send(StopPartition).await.unwrap();
        assert!(timeout(PATIENCE, heard.recv()).await.expect("in time").is_none());
    });
}
