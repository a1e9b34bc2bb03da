use std::fmt;

use super::{Table, keys};

/// Commits that are applied in one order. Those of different chains share no row, so they may be applied in any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// The commits of a partition.
    Partition(u16),
    /// The commits of the learner: the models, and what every partition reads of them.
    Learner,
}

/// A position in the commit log of a chain: everything up to it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogPosition {
    /// The sequence in the stream of the last message of the chain that is applied; 0: none.
    pub sequence: u64,
    /// The epoch of the claim that counted there; 0: none.
    pub epoch: u64,
}

impl Chain {
    /// Every chain of a store with this many partitions.
    pub fn all(partitions: u16) -> impl Iterator<Item = Chain> {
        (0..partitions).map(Chain::Partition).chain([Chain::Learner])
    }

    /// The chain that a row belongs to. Every key of a partition has its number, so a row has one chain.
    pub(crate) fn of(table: Table, key: &[u8]) -> Chain {
        let partition = match table {
            Table::Learned | Table::Lessons => None,
            Table::Meta => keys::read_partition_of_meta(key),
            _ => keys::read_partition(key),
        };
        partition.map_or(Chain::Learner, Chain::Partition)
    }

    /// The chain of this name.
    pub fn parse(name: &str) -> Option<Chain> {
        if name == LEARNER {
            return Some(Chain::Learner);
        }
        let partition = name.parse().ok()?;
        // One name for each: no sign, no leading zero.
        Some(Chain::Partition(partition)).filter(|chain| chain.to_string() == name)
    }
}

const LEARNER: &str = "learner";

/// Its name: the number of the partition, or `learner`.
impl fmt::Display for Chain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Chain::Partition(partition) => partition.fmt(out),
            Chain::Learner => out.write_str(LEARNER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_has_one_name() {
        for chain in Chain::all(300) {
            assert_eq!(Chain::parse(&chain.to_string()), Some(chain));
        }
        for name in ["", "+1", "01", "-1", "65536", "Learner", "1 "] {
            assert_eq!(Chain::parse(name), None, "{name}");
        }
    }
}
