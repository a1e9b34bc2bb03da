use actix::{Actor, Context, Handler, Message, MessageResult};

use super::round_replies;
use crate::partition::{TwinBatch, TwinCell};
use crate::twin::Twin;

/// The actor of one customer: the only one who changes the twin.
///
/// Its partition holds its only address; dropping that ends the actor, whose state is durable by then.
pub(super) struct TwinActor {
    cell: TwinCell,
    partition: u16,
}

impl TwinActor {
    pub(super) fn new(twin: Box<Twin>, partition: u16) -> TwinActor {
        TwinActor { cell: TwinCell::new(twin), partition }
    }
}

impl Actor for TwinActor {
    type Context = Context<TwinActor>;
}

/// Runs a batch of inputs.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct RunBatch(pub(super) TwinBatch);

impl Handler<RunBatch> for TwinActor {
    type Result = ();

    fn handle(&mut self, RunBatch(batch): RunBatch, _: &mut Context<TwinActor>) {
        round_replies::report(self.partition, self.cell.handle(batch));
    }
}

/// Compresses the idle twin; returns its approximate size.
#[derive(Message)]
#[rtype(result = "u32")]
pub(super) struct RestTwin;

impl Handler<RestTwin> for TwinActor {
    type Result = u32;

    fn handle(&mut self, _: RestTwin, _: &mut Context<TwinActor>) -> u32 {
        self.cell.rest()
    }
}

/// Asks for a copy of the twin.
#[derive(Message)]
#[rtype(result = "Box<Twin>")]
pub(super) struct ShowTwin;

impl Handler<ShowTwin> for TwinActor {
    type Result = MessageResult<ShowTwin>;

    fn handle(&mut self, _: ShowTwin, _: &mut Context<TwinActor>) -> MessageResult<ShowTwin> {
        MessageResult(self.cell.twin())
    }
}
