use actix::{Actor, Context, Handler, Message, MessageResult};

use super::desk;
use crate::partition::{Cell, Errand};
use crate::twin::Twin;

/// The actor of one customer: the only one who changes the twin.
///
/// Its partition holds its one address; dropping that ends the actor, which holds nothing that is
/// not durable by then.
pub(super) struct TwinActor {
    cell: Cell,
    partition: u16,
}

impl TwinActor {
    pub(super) fn new(twin: Box<Twin>, partition: u16) -> TwinActor {
        TwinActor { cell: Cell::new(twin), partition }
    }
}

impl Actor for TwinActor {
    type Context = Context<TwinActor>;
}

/// Take these inputs in.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct TakeIn(pub(super) Errand);

impl Handler<TakeIn> for TwinActor {
    type Result = ();

    fn handle(&mut self, TakeIn(errand): TakeIn, _: &mut Context<TwinActor>) {
        desk::lay_down(self.partition, self.cell.handle(errand));
    }
}

/// Nothing has happened to you for a while: rest. Answers about how many bytes you take then.
#[derive(Message)]
#[rtype(result = "u32")]
pub(super) struct Rest;

impl Handler<Rest> for TwinActor {
    type Result = u32;

    fn handle(&mut self, _: Rest, _: &mut Context<TwinActor>) -> u32 {
        self.cell.rest()
    }
}

/// Show yourself.
#[derive(Message)]
#[rtype(result = "Box<Twin>")]
pub(super) struct Show;

impl Handler<Show> for TwinActor {
    type Result = MessageResult<Show>;

    fn handle(&mut self, _: Show, _: &mut Context<TwinActor>) -> MessageResult<Show> {
        MessageResult(self.cell.twin())
    }
}
