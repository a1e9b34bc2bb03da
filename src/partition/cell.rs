use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use smallvec::SmallVec;

use super::index::{self, IndexChange};
use super::shadow::{self, ShadowComparison};
use super::surroundings::Surroundings;
use crate::codec;
use crate::event::{Customer, Time};
use crate::policy::Policy;
use crate::twin::{
    Block, ErasedTwin, Input, InputResult, Reaction, TimelineEnd, Twin, WaitingEscalation, World,
    react,
};

/// An input and its position in the round.
#[derive(Debug, Clone)]
pub struct IndexedInput {
    /// Its position in the round: reactions are committed in this order.
    pub order: u32,
    /// The input.
    pub input: Input,
}

/// A batch of inputs for one twin, in order.
#[derive(Debug, Clone)]
pub struct TwinBatch {
    /// The inputs.
    pub inputs: SmallVec<[IndexedInput; 1]>,
    /// What all twins of a round react in.
    pub surroundings: Arc<Surroundings>,
    /// The shadow policy.
    pub shadow: Option<Arc<Policy>>,
    /// Whether the twin must report its index rows even if nothing changed.
    pub is_indexing: bool,
    /// Delete the twin after the inputs, unless it was seen after this time.
    pub erasing: Option<Time>,
    /// And unless it is no longer linked by the link with this number.
    pub linked_by: Option<u64>,
    /// And unless this identifier, linked by the link with this number, has been unlinked.
    pub linked_from: Option<(Customer, u64)>,
    /// Whether to check after each input that the twin can be stored.
    pub is_measured: bool,
}

/// The result of a batch.
#[derive(Debug)]
pub struct BatchResult {
    /// The customer of the twin.
    pub customer: Customer,
    /// All reactions, or none.
    pub result: Result<BatchReactions, BatchFailure>,
}

/// Why a batch has no reactions; the twin's in-memory state is discarded.
#[derive(Debug)]
pub enum BatchFailure {
    /// The twin's handler panicked.
    Panic(HandlerPanic),
    /// The twin would be too large to be stored.
    TooLarge(OversizedTwin),
}

/// A twin would be larger than a record may be.
#[derive(Debug)]
pub struct OversizedTwin {
    /// The inputs of the batch.
    pub inputs: SmallVec<[IndexedInput; 1]>,
    /// The index of the input that makes the twin too large; none: unknown, because the twin was not
    /// measured after each of several inputs.
    pub position: Option<usize>,
    /// What was expected, and what was found.
    pub error: codec::Error,
}

/// The twin processed all inputs of a batch.
#[derive(Debug)]
pub struct BatchReactions {
    /// The reactions, each with its input's position in the round.
    pub reactions: Reactions,
    /// The changes to store; none if nothing changed.
    pub change: Option<TwinChange>,
    /// Index rows to add or delete.
    pub index: Vec<IndexChange>,
    /// What was deleted, if the batch was an erasure.
    pub erased: Option<Box<ErasedTwin>>,
    /// The open escalations, if they have changed.
    pub waiting: Option<Vec<WaitingEscalation>>,
    /// What the shadow policy would have decided.
    pub(super) beside: ShadowComparison,
}

/// The stored form of a changed twin.
#[derive(Debug)]
pub struct TwinChange {
    /// The encoded state.
    pub(super) state: Vec<u8>,
    /// Blocks of the timeline that became full, encoded, by slot.
    pub(super) blocks: SmallVec<[(u8, Vec<u8>); 1]>,
    /// The approximate size of the twin in memory, in bytes.
    pub(super) resident_bytes: u32,
}

/// A twin's handler panicked.
#[derive(Debug)]
pub struct HandlerPanic {
    /// The inputs of the batch.
    pub inputs: SmallVec<[IndexedInput; 1]>,
    /// The index of the input that panicked.
    pub position: usize,
    /// The message of the panic.
    pub message: String,
}

/// The content of a twin's actor: the only writer of the twin.
#[derive(Debug)]
pub struct TwinCell {
    held: CellState,
    /// The length of the last encoded state, as an estimate for the next.
    state_bytes: u32,
}

/// A twin that is active, or resting: compressed, because most twins are idle most of the time.
#[derive(Debug)]
enum CellState {
    Active(Box<Twin>),
    Resting(Resting),
}

/// The measured size of an actor, its address, its entry in the partition's table and the frame of its
/// state; the state's own values are added.
const ACTIVE_OVERHEAD_BYTES: usize = 1_900;
/// The same without the frame of the state.
const RESTING_OVERHEAD_BYTES: usize = 1_500;

impl TwinCell {
    /// A cell with a loaded or a new twin.
    pub fn new(twin: Box<Twin>) -> TwinCell {
        TwinCell { held: CellState::Active(twin), state_bytes: 0 }
    }

    /// A copy of the twin; a resting twin keeps resting.
    pub fn twin(&self) -> Box<Twin> {
        match &self.held {
            CellState::Active(twin) => twin.clone(),
            CellState::Resting(resting) => resting.decompress(),
        }
    }

    /// Compresses the twin until its next batch; returns its approximate size in bytes.
    pub fn rest(&mut self) -> u32 {
        if let CellState::Active(twin) = &self.held
            && let Some(resting) = Resting::compress(twin)
        {
            self.held = CellState::Resting(resting);
        }
        match &self.held {
            CellState::Active(_) => 0,
            CellState::Resting(resting) => about(RESTING_OVERHEAD_BYTES + resting.compressed.len()),
        }
    }

    /// Processes the inputs of a batch. A panic, or a twin that cannot be stored, rolls back the whole
    /// batch: the partition reloads the twin and delivers the other inputs again.
    pub fn handle(&mut self, batch: TwinBatch) -> BatchResult {
        self.handle_with(batch, react)
    }

    /// Decompresses the twin if it rests; returns its compressed form.
    fn activate(&mut self) -> Option<Resting> {
        let CellState::Resting(resting) = &self.held else { return None };
        let twin = resting.decompress();
        match std::mem::replace(&mut self.held, CellState::Active(twin)) {
            CellState::Resting(resting) => Some(resting),
            CellState::Active(_) => None,
        }
    }

    fn handle_with(
        &mut self,
        batch: TwinBatch,
        react: impl Fn(&mut Twin, &Input, &World<'_>) -> Reaction,
    ) -> BatchResult {
        let TwinBatch { inputs, surroundings, shadow, is_indexing, is_measured, .. } = batch;
        let (erasing, linked_by, linked_from) = (batch.erasing, batch.linked_by, batch.linked_from);
        let (policy, world) = (&*surroundings.policy, surroundings.world());
        let rested = self.activate();
        let CellState::Active(twin) = &mut self.held else { unreachable!("it is active now") };
        let customer = twin.customer.clone();
        let is_indexed = !policy.indexed.is_empty();
        let stood = if is_indexed && !is_indexing {
            index::hashes_of(twin, policy)
        } else {
            index::IndexedHashes::new()
        };
        let end_before = twin.timeline.end();
        let waited = twin.waiting();
        let mut position = 0;
        let reacted = catch_unwind(AssertUnwindSafe(|| {
            let reactions = react_to_all(
                twin,
                &inputs,
                (&world, shadow.as_deref()),
                is_measured,
                &react,
                &mut position,
            );
            let (reactions, beside) = reactions?;
            let is_erasing = erasing.is_some_and(|unless| twin.seen <= unless)
                && linked_by.is_none_or(|link| twin.is_still_linked_by(link))
                && linked_from.as_ref().is_none_or(|(one, link)| !twin.has_parted_from(one, *link));
            let erased = is_erasing.then(|| Box::new(twin.erase()));
            let is_changed = changed(&inputs, &reactions) || is_erasing;
            // An erased twin is not stored.
            let change = if is_changed && !is_erasing {
                let change = TwinChange::of(twin, end_before, self.state_bytes as usize);
                // Of several inputs any one may be too much.
                let last = inputs.len().checked_sub(1).filter(|last| is_measured || *last == 0);
                Some(change.map_err(|error| (last, error))?)
            } else {
                None
            };
            let index = if is_indexed && (is_changed || is_indexing) {
                index::changes(&stood, twin, policy)
            } else {
                Vec::new()
            };
            let waiting = Some(twin.waiting()).filter(|now| *now != waited);
            Ok(BatchReactions { reactions, change, index, waiting, erased, beside })
        }));
        if let Ok(Ok(BatchReactions { change: Some(change), .. })) = &reacted {
            self.state_bytes = about(change.state.len());
        } else if let (Some(rested), Ok(Ok(_))) = (rested, &reacted) {
            // Nothing changed, so the twin keeps resting.
            self.held = CellState::Resting(rested);
        }
        let result = match reacted {
            Ok(Ok(reacted)) => Ok(reacted),
            Ok(Err((position, error))) => {
                Err(BatchFailure::TooLarge(OversizedTwin { inputs, position, error }))
            }
            Err(panic) => {
                let message = panic_message(&*panic);
                Err(BatchFailure::Panic(HandlerPanic { inputs, position, message }))
            }
        };
        BatchResult { customer, result }
    }
}

/// Reactions, each with the place of its input in the round.
type Reactions = SmallVec<[(u32, Reaction); 1]>;

/// The reactions to the inputs, in order, and how they compare with those under the shadow policy.
/// `position` is that of the input which is being processed.
///
/// # Errors
/// If it is measured: the input with which the twin became too large.
fn react_to_all(
    twin: &mut Twin,
    inputs: &[IndexedInput],
    (world, shadow): (&World<'_>, Option<&Policy>),
    is_measured: bool,
    react: &impl Fn(&mut Twin, &Input, &World<'_>) -> Reaction,
    position: &mut usize,
) -> Result<(Reactions, ShadowComparison), (Option<usize>, codec::Error)> {
    let mut reactions = SmallVec::with_capacity(inputs.len());
    let mut beside = ShadowComparison::default();
    for (at, ordered) in inputs.iter().enumerate() {
        *position = at;
        let other = shadow.map(|policy| {
            shadow::shadow_reaction(twin, &ordered.input, &World { policy, ..*world }, react)
        });
        let reaction = react(twin, &ordered.input, world);
        if let Some(other) = other {
            beside.count(&reaction, &other);
        }
        reactions.push((ordered.order, reaction));
        if is_measured {
            encode_state(twin, 0).map_err(|error| (Some(at), error))?;
        }
    }
    Ok((reactions, beside))
}

impl TwinChange {
    /// A twin's stored form, about `state_bytes` long; of its timeline, only new blocks.
    fn of(
        twin: &Twin,
        end_before: TimelineEnd,
        state_bytes: usize,
    ) -> Result<TwinChange, codec::Error> {
        let state = encode_state(twin, state_bytes)?;
        let blocks = twin
            .timeline
            .blocks_since(twin.timeline.changed_from(end_before))
            .map(|(slot, block)| {
                let mut encoded = Vec::with_capacity(ROOM_TO_GROW);
                codec::encode(codec::RecordKind::Block, &block, &mut encoded)?;
                Ok((slot, encoded))
            })
            .collect::<Result<_, codec::Error>>()?;
        let bytes = ACTIVE_OVERHEAD_BYTES + 2 * state.len() + twin.timeline.heap_bytes();
        Ok(TwinChange { state, blocks, resident_bytes: about(bytes) })
    }
}

/// The encoded state of a twin, about `state_bytes` long.
fn encode_state(twin: &Twin, state_bytes: usize) -> Result<Vec<u8>, codec::Error> {
    let mut state = Vec::with_capacity(state_bytes + ROOM_TO_GROW);
    codec::encode(codec::RecordKind::Twin, &twin.record(), &mut state)?;
    Ok(state)
}

/// More than most inputs add to the length of a state.
const ROOM_TO_GROW: usize = 512;

fn about(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A resting twin: encoded as in a store, and compressed, which takes a third of the memory of an active
/// one.
struct Resting {
    customer: Customer,
    /// The length of the encoded state (u32, little-endian), the state, and one block with the timeline;
    /// all compressed.
    compressed: Box<[u8]>,
}

impl Resting {
    /// The resting twin; none if a part of it is larger than a record.
    fn compress(twin: &Twin) -> Option<Resting> {
        let mut bytes = vec![0; 4];
        codec::encode(codec::RecordKind::Twin, &twin.record(), &mut bytes).ok()?;
        let state_bytes = about(bytes.len() - 4);
        bytes[..4].copy_from_slice(&state_bytes.to_le_bytes());
        codec::encode(codec::RecordKind::Block, &twin.timeline.closed(), &mut bytes).ok()?;
        let compressed = lz4_flex::block::compress_prepend_size(&bytes).into();
        Some(Resting { customer: twin.customer.clone(), compressed })
    }

    #[expect(clippy::expect_used, reason = "the message names the invariant")]
    fn decompress(&self) -> Box<Twin> {
        self.try_decompress().expect("what was compressed here in memory can be decompressed")
    }

    fn try_decompress(&self) -> Option<Box<Twin>> {
        let bytes = lz4_flex::block::decompress_size_prepended(&self.compressed).ok()?;
        let (state_bytes, rest) = bytes.split_first_chunk()?;
        let (state, block) = rest.split_at_checked(u32::from_le_bytes(*state_bytes) as usize)?;
        let record = codec::decode(codec::RecordKind::Twin, state).ok()?;
        let block = codec::decode(codec::RecordKind::Block, block).ok()?;
        Some(Box::new(Twin::from_record(self.customer.clone(), record, &[block])))
    }
}

impl fmt::Debug for Resting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Resting").field("customer", &self.customer).finish_non_exhaustive()
    }
}

/// Rebuilds a twin from its encoded state and the encoded blocks of its timeline.
///
/// # Errors
/// If a record is invalid.
pub fn revive(
    customer: Customer,
    state: &[u8],
    timeline: &[(u16, Box<[u8]>)],
) -> Result<Box<Twin>, codec::Error> {
    let record = codec::decode(codec::RecordKind::Twin, state)?;
    let blocks = timeline
        .iter()
        .map(|(_, encoded)| codec::decode::<Block<'_>>(codec::RecordKind::Block, encoded))
        .collect::<Result<Vec<_>, codec::Error>>()?;
    Ok(Box::new(Twin::from_record(customer, record, &blocks)))
}

fn changed(inputs: &[IndexedInput], reactions: &[(u32, Reaction)]) -> bool {
    inputs.iter().zip(reactions).any(|(ordered, (_, reaction))| match reaction.result {
        InputResult::Applied | InputResult::Stale => true,
        // The twin remembers that it forwarded the input; for a request, it has only named the other
        // customer.
        InputResult::Forwarded => ordered.input.is_remembered(),
        InputResult::Duplicate | InputResult::Untouched | InputResult::Refused(_) => false,
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::models::Snapshot;
    use crate::policy::{Files, load};
    use crate::twin::{Broadcasts, Fired};

    fn policy(name: &str) -> Arc<Policy> {
        let policy = format!("[policy]\nname = \"{name}\"\nlanguages = [\"en\"]\n");
        Arc::new(load(&Files::new([("none.toml", &policy)])).unwrap())
    }

    fn batch(names: &[&str]) -> TwinBatch {
        let (broadcasts, models) = (Broadcasts::default(), Snapshot::nothing());
        let surroundings = Surroundings { policy: policy("none"), broadcasts, models };
        let inputs = names.iter().zip(0..).map(|(name, order)| {
            let fired = Fired {
                name: (*name).into(),
                due: Time::from_ms(0),
                late: std::time::Duration::ZERO,
            };
            IndexedInput { order, input: Input::timer(fired, Time::from_ms(0)) }
        });
        TwinBatch {
            inputs: inputs.collect(),
            surroundings: Arc::new(surroundings),
            shadow: None,
            is_indexing: false,
            erasing: None,
            linked_by: None,
            linked_from: None,
            is_measured: false,
        }
    }

    fn cell() -> TwinCell {
        let customer = Customer::new("ada").unwrap();
        TwinCell::new(Box::new(Twin::new(customer, Time::from_ms(0))))
    }

    #[test]
    fn a_panic_rolls_back_the_whole_batch_and_names_the_input() {
        let react = |twin: &mut Twin, input: &Input, world: &World<'_>| match &input.cause {
            crate::twin::Cause::Timer(fired) if &*fired.name == "bad" => {
                panic!("cannot do {fired:?}")
            }
            _ => react(twin, input, world),
        };
        let done = cell().handle_with(batch(&["good", "bad", "good"]), react);
        let Err(BatchFailure::Panic(panicked)) = done.result else { panic!("{done:?}") };
        assert_eq!(panicked.position, 1);
        assert_eq!(panicked.inputs.len(), 3, "the others are to be tried again");
        assert!(panicked.message.starts_with("cannot do"), "{}", panicked.message);
    }

    #[test]
    fn an_input_that_makes_a_twin_too_large_is_found_by_measuring_after_each_input() {
        let react = |twin: &mut Twin, input: &Input, world: &World<'_>| {
            if matches!(&input.cause, crate::twin::Cause::Timer(fired) if &*fired.name == "large") {
                let long = "x".repeat(crate::config::limits::RECORD_BYTES);
                twin.facts.insert("long", long.as_str().into());
            }
            react(twin, input, world)
        };
        let failed = |names: &[&str], is_measured: bool| {
            let batch = TwinBatch { is_measured, ..batch(names) };
            match cell().handle_with(batch, react).result {
                Err(BatchFailure::TooLarge(failed)) => failed,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(failed(&["large"], false).position, Some(0));
        let several = failed(&["small", "large", "small"], false);
        assert_eq!((several.position, several.inputs.len()), (None, 3));
        assert_eq!(failed(&["small", "large", "small"], true).position, Some(1));
    }

    #[test]
    fn a_panic_of_a_shadow_policy_is_counted_and_changes_nothing() {
        let react = |twin: &mut Twin, input: &Input, world: &World<'_>| {
            let reaction = react(twin, input, world);
            assert!(&*world.policy.name != "shadow", "half of it is done, and then this");
            reaction
        };
        let (mut beside, mut alone) = (cell(), cell());
        let shadowed = TwinBatch { shadow: Some(policy("shadow")), ..batch(&["one", "two"]) };
        let shadowed = beside.handle_with(shadowed, react).result.unwrap();
        let single = alone.handle(batch(&["one", "two"])).result.unwrap();
        let panics = BTreeMap::from([("nothing → a panic".to_owned(), 2)]);
        assert_eq!(shadowed.beside, ShadowComparison { same: 0, other: panics });
        assert_eq!(shadowed.reactions, single.reactions);
        assert_eq!(shadowed.change.unwrap().state, single.change.unwrap().state);
        assert_eq!(beside.twin(), alone.twin());
    }

    #[test]
    fn a_resting_twin_decompresses_to_the_same_twin() {
        let mut cell = cell();
        for round in 0..30 {
            let _ = cell.handle(batch(&[&format!("timer {round}")]));
            let before = cell.twin();
            let active = TwinChange::of(&before, before.timeline.end(), 0).unwrap().resident_bytes;
            let resting = cell.rest();
            assert!(resting < active, "{resting} bytes resting, {active} active");
            assert_eq!(cell.rest(), resting, "resting twice is resting once");
            assert_eq!(cell.twin(), before);
        }
    }

    #[test]
    fn a_batch_without_inputs_writes_nothing() {
        let done = cell().handle(batch(&[]));
        assert!(done.result.unwrap().change.is_none());
    }
}
