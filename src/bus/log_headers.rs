//! The headers of a message of the commit log.

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};

use crate::log::{LogHeader, Part};

/// What the message is: `claim`, `commit` or `filler`.
const KIND: &str = "Jumeau-Kind";
/// The epoch of the service that appended it.
const EPOCH: &str = "Jumeau-Epoch";
/// Which part of a record it is, as `2/3`; without it, it is a whole one.
const PART: &str = "Jumeau-Part";

/// About how many bytes the headers take at most, besides the payload.
pub(super) const HEADER_BYTES_MAX: usize = 512;

pub(super) fn write(header: &LogHeader) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, &*header.id);
    headers.insert(KIND, header.kind.to_string());
    headers.insert(EPOCH, header.epoch.to_string());
    if let Some(follows) = header.follows {
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, follows.to_string());
    }
    if header.part != Part::WHOLE {
        headers.insert(PART, format!("{}/{}", header.part.number, header.part.of));
    }
    headers
}

/// The header of a message; none if the message was not appended by a service.
pub(super) fn read(headers: Option<&HeaderMap>) -> Option<LogHeader> {
    let headers = headers?;
    let text = |name: &str| headers.get(name).map(|value| value.as_str());
    let part = match text(PART) {
        None => Part::WHOLE,
        Some(part) => {
            let (number, of) = part.split_once('/')?;
            Part { number: number.parse().ok()?, of: of.parse().ok()? }
        }
    };
    let follows = match text(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE.as_ref()) {
        None => None,
        Some(follows) => Some(follows.parse().ok()?),
    };
    Some(LogHeader {
        id: text(NATS_MESSAGE_ID.as_ref())?.into(),
        kind: text(KIND)?.parse().ok()?,
        epoch: text(EPOCH)?.parse().ok()?,
        follows,
        part,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::MessageKind;
    use crate::tables::Chain;

    #[test]
    fn headers_are_read_as_they_were_written() {
        let claim = LogHeader::claim(Chain::Learner, 7, 99);
        let commit = LogHeader {
            id: "3.7.12".into(),
            kind: MessageKind::Commit,
            epoch: 7,
            follows: Some(41),
            part: Part { number: 2, of: 3 },
        };
        let filler = LogHeader { kind: MessageKind::Filler, part: Part::WHOLE, ..commit.clone() };
        for header in [claim, commit, filler] {
            assert_eq!(read(Some(&write(&header))), Some(header));
        }
    }

    #[test]
    fn a_message_of_another_program_has_no_header_of_the_log() {
        assert_eq!(read(None), None);
        let sound = write(&LogHeader::claim(Chain::Partition(1), 1, 1));
        for (name, value) in [(KIND, "release"), (EPOCH, "-1"), (PART, "3"), (PART, "1/x")] {
            let mut headers = sound.clone();
            headers.insert(name, value);
            assert_eq!(read(Some(&headers)), None, "{name}: {value}");
        }
    }
}
