//! Ids derived from the input, so that a repeated reaction gives the same ones.

use twox_hash::XxHash3_128;

use crate::twin::input::Input;
use crate::twin::state::Twin;

/// An id for something that an input causes: the same whenever the same input is processed again, and
/// unique. 128 bits of XXH3 over the customer, the input and the subject.
pub(in crate::twin) fn identifier(
    prefix: char,
    twin: &Twin,
    input: &Input,
    about: &str,
) -> Box<str> {
    let customer = twin.customer.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(customer.len() + about.len() + 17);
    bytes.extend_from_slice(&input.fingerprint.to_le_bytes());
    bytes.extend_from_slice(&input.at.ms().to_le_bytes());
    bytes.extend_from_slice(customer);
    bytes.push(0);
    bytes.extend_from_slice(about.as_bytes());
    format!("{prefix}{:032x}", XxHash3_128::oneshot(&bytes)).into()
}
