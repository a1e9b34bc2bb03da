use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::codec;
use crate::event::Customer;
use crate::policy::Policy;
use crate::twin::{Input, Reaction, Twin, Verdict, react};

/// An input and its place in the round.
#[derive(Debug, Clone)]
pub struct Ordered {
    /// Its place in the round: reactions are committed in this order.
    pub order: u32,
    /// The input.
    pub input: Input,
}

/// What a partition has its twin do: take these inputs in, in this order.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The inputs.
    pub inputs: SmallVec<[Ordered; 1]>,
    /// The policy to go by.
    pub policy: Arc<Policy>,
}

/// What became of an errand.
#[derive(Debug)]
pub struct Done {
    /// Whose twin it was.
    pub customer: Customer,
    /// All of it, or nothing.
    pub result: Result<Reacted, Panicked>,
}

/// A twin took every input of an errand in.
#[derive(Debug)]
pub struct Reacted {
    /// The reactions, each with its input's place in the round.
    pub reactions: SmallVec<[(u32, Reaction); 1]>,
    /// What to store; none if nothing changed.
    pub change: Option<Change>,
}

/// The stored form of a changed twin.
#[derive(Debug)]
pub struct Change {
    /// The state, sealed.
    pub(super) state: Vec<u8>,
    /// New entries of the timeline, sealed, by slot.
    pub(super) entries: SmallVec<[(u8, Vec<u8>); 1]>,
    /// About how many bytes of memory the twin takes.
    pub(super) resident_bytes: u32,
}

/// A twin's handler panicked: its state in memory is not to be trusted.
#[derive(Debug)]
pub struct Panicked {
    /// The inputs of the errand.
    pub inputs: SmallVec<[Ordered; 1]>,
    /// Which of them it was.
    pub position: usize,
    /// What the panic said.
    pub message: String,
}

/// What a twin's actor holds: the only writer of the twin.
#[derive(Debug)]
pub struct Cell {
    twin: Box<Twin>,
}

/// What an actor, its address, its place in the partition's table and its state's frame take,
/// measured; the state's own values come on top.
const RESIDENT_OVERHEAD_BYTES: usize = 1_400;

impl Cell {
    /// A cell around a twin as it was loaded, or a new one.
    pub fn new(twin: Box<Twin>) -> Cell {
        Cell { twin }
    }

    /// The twin.
    pub fn twin(&self) -> &Twin {
        &self.twin
    }

    /// Takes an errand's inputs in. A panic takes the whole errand back: the partition has the
    /// twin loaded anew and the other inputs delivered again.
    pub fn handle(&mut self, errand: Errand) -> Done {
        self.handle_with(errand, react)
    }

    fn handle_with(
        &mut self,
        errand: Errand,
        react: impl Fn(&mut Twin, &Input, &Policy) -> Reaction,
    ) -> Done {
        let Errand { inputs, policy } = errand;
        let customer = self.twin.customer.clone();
        let entries_before = self.twin.timeline.total();
        let mut position = 0;
        let reacted = catch_unwind(AssertUnwindSafe(|| {
            let mut reactions = SmallVec::with_capacity(inputs.len());
            for (at, ordered) in inputs.iter().enumerate() {
                position = at;
                reactions.push((ordered.order, react(&mut self.twin, &ordered.input, &policy)));
            }
            let change = changed(&reactions).then(|| self.change(entries_before));
            Reacted { reactions, change }
        }));
        let result = reacted.map_err(|panic| Panicked { inputs, position, message: said(&*panic) });
        Done { customer, result }
    }

    /// The twin's stored form; of its timeline only what is new.
    #[expect(clippy::expect_used, reason = "the messages name the invariant")]
    fn change(&self, entries_before: u64) -> Change {
        let mut state = Vec::with_capacity(512);
        codec::seal(codec::Kind::Twin, &self.twin.record(), &mut state)
            .expect("a twin within its limits is within the limit of a record");
        let entries = self
            .twin
            .timeline
            .packed_since(entries_before)
            .map(|(slot, packed)| {
                let mut sealed = Vec::with_capacity(packed.len() + 16);
                codec::seal(codec::Kind::Entry, &Packed(packed), &mut sealed)
                    .expect("an entry is within the limit of a record");
                (slot, sealed)
            })
            .collect();
        let bytes = RESIDENT_OVERHEAD_BYTES + 2 * state.len() + self.twin.timeline.heap_bytes();
        Change { state, entries, resident_bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }
    }
}

/// An entry as the timeline packs it, written as it is.
struct Packed<'a>(&'a [u8]);

impl Serialize for Packed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

/// The twin that a store kept, from its sealed state and the sealed entries of its timeline.
///
/// # Errors
/// If a record is not what was written.
pub fn revive(
    customer: Customer,
    state: &[u8],
    timeline: &[(u16, Box<[u8]>)],
) -> Result<Box<Twin>, codec::Error> {
    let record = codec::open(codec::Kind::Twin, state)?;
    let entries = timeline
        .iter()
        .filter_map(|(slot, sealed)| Some((u8::try_from(*slot).ok()?, sealed)))
        .map(|(slot, sealed)| Ok((slot, codec::open::<Bytes>(codec::Kind::Entry, sealed)?)))
        .collect::<Result<Vec<_>, codec::Error>>()?;
    let entries = entries.iter().map(|(slot, packed)| (*slot, &packed[..]));
    Ok(Box::new(Twin::from_record(customer, record, entries)))
}

fn changed(reactions: &[(u32, Reaction)]) -> bool {
    reactions
        .iter()
        .any(|(_, reaction)| matches!(reaction.verdict, Verdict::Applied | Verdict::Stale))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Time;
    use crate::policy::{Files, load};
    use crate::twin::Fired;

    fn errand(names: &[&str]) -> Errand {
        let policy = "[policy]\nname = \"none\"\nlanguages = [\"en\"]\n";
        let policy = Arc::new(load(&Files::new([("none.toml", policy)])).unwrap());
        let inputs = names.iter().zip(0..).map(|(name, order)| {
            let fired = Fired {
                name: (*name).into(),
                due: Time::from_ms(0),
                late: std::time::Duration::ZERO,
            };
            Ordered { order, input: Input::timer(fired, Time::from_ms(0)) }
        });
        Errand { inputs: inputs.collect(), policy }
    }

    fn cell() -> Cell {
        let customer = Customer::new("ada").unwrap();
        Cell::new(Box::new(Twin::new(customer, Time::from_ms(0))))
    }

    #[test]
    fn a_handler_that_panics_takes_its_whole_errand_back_and_names_the_input() {
        let react = |twin: &mut Twin, input: &Input, policy: &Policy| match &input.cause {
            crate::twin::Cause::Timer(fired) if &*fired.name == "bad" => {
                panic!("cannot do {fired:?}")
            }
            _ => react(twin, input, policy),
        };
        let done = cell().handle_with(errand(&["good", "bad", "good"]), react);
        let panicked = done.result.unwrap_err();
        assert_eq!(panicked.position, 1);
        assert_eq!(panicked.inputs.len(), 3, "the others are to be tried again");
        assert!(panicked.message.starts_with("cannot do"), "{}", panicked.message);
    }

    #[test]
    fn inputs_of_which_nothing_comes_are_not_written() {
        let done = cell().handle(errand(&[]));
        assert!(done.result.unwrap().change.is_none());
    }
}
