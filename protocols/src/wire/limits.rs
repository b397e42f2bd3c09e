//! How large messages may be, and how many elements their lists may have.
//!
//! Who builds a message keeps within these; who receives one refuses what is beyond them.

/// The largest transaction in bytes: 64 entries of 64 heads (2.3 KiB each) and 1,024 receipts (148
/// bytes each) make 291 KiB.
pub const MAX_TRANSACTION: usize = 320 << 10;
/// The most transactions in one block: what a block of small ones holds.
pub const MAX_BLOCK_TRANSACTIONS: usize = 4096;
/// The largest block in bytes: one takes 100 ms over a link of 125 Mbit/s, so a view stays short.
pub const MAX_BLOCK: usize = 2 << 20;
/// The largest envelope of a signature: a hybrid one has 3,373 bytes.
const MAX_SIGNED: usize = 4096;
/// The largest proposal: a block and its signed envelope.
pub const MAX_PROPOSAL: usize = MAX_BLOCK + MAX_SIGNED;
/// The largest vote: a hybrid signature and the statement.
pub const MAX_VOTE: usize = MAX_SIGNED;
/// The largest message between validators: a proposal and its envelope. Certificates and lists of
/// transactions are smaller.
pub const MAX_CONSENSUS_MESSAGE: usize = MAX_PROPOSAL + 1024;
/// The largest certificate: 256 hybrid signatures of 3,376 bytes each with its length, which make
/// 844 KiB, or 1,024 of Ed25519 of 66 bytes; a bitmap of 128 bytes, and the statement.
pub const MAX_CERTIFICATE: usize = 848 << 10;
/// The largest header: six digests, an optional one and five numbers.
pub const MAX_HEADER: usize = 512;
/// The most certificates of one view that are sent together: one of each kind, and the
/// finalization above. They fit in one message about the chain.
pub const MAX_VIEW_CERTIFICATES: usize = 4;
/// The most final blocks in one range: idle blocks are small, so a range of them is worth a trip.
pub const MAX_RANGE_BLOCKS: usize = 1024;
/// The largest message about the chain: a few full blocks, or a view's certificates.
pub const MAX_CHAIN_MESSAGE: usize = 8 << 20;
/// The largest announcement of a final block: a full certificate, a header, and 64 KiB of
/// transactions, which senders leave out when there are more. It fits in a message of gossip.
pub const MAX_FINAL_ANNOUNCEMENT: usize = MAX_CERTIFICATE + (128 << 10);
/// The most transactions handed to a validator's pool in one message.
pub const MAX_POOL_TRANSACTIONS: usize = 1024;
/// The largest message that hands over transactions: three of the largest, or many small ones.
pub const MAX_TRANSACTIONS_MESSAGE: usize = 1 << 20;
/// The largest genesis: 256 validators with hybrid keys of 1,984 bytes, or 1,024 with keys of 32,
/// and 1,024 replicas, with their names.
pub const MAX_GENESIS: usize = 1 << 20;
/// The longest name of a network, a validator or a replica in bytes.
pub const MAX_GENESIS_NAME: usize = 128;

/// The largest message of document replication: a frame of 1 MiB and its envelope.
pub const MAX_SYNC_MESSAGE: usize = (1 << 20) + (64 << 10);
/// The largest announcement of document changes: 64 KiB of changes, heads and the descriptor.
pub const MAX_ANNOUNCEMENT: usize = 256 << 10;
/// The most heads that a document may have while it is edited (a version to commit has far fewer):
/// one for each author who is writing at the same time, and to spare.
pub const MAX_DOCUMENT_HEADS: usize = 16 << 10;
/// The most changes inside one announcement: 64 KiB of the smallest.
pub const MAX_ANNOUNCED_CHANGES: usize = 2048;
/// The most collections that two peers compare in one message.
pub const MAX_SUMMARIES: usize = 4096;
/// The most subtrees that two peers compare in one message: their children fit in the response.
pub const MAX_COMPARED: usize = 512;
/// The most subtrees one level down: the tree is 16-way.
pub const MAX_CHILDREN: usize = 16;
/// The most leaves listed in place of subtrees.
pub const MAX_LEAVES: usize = 32;
/// The largest entry of the quarantine: a change of 1 MiB and the reason.
pub const MAX_QUARANTINE_ENTRY: usize = (1 << 20) + (64 << 10);

/// The largest proof: a full certificate, two headers, and two paths.
pub const MAX_PROOF: usize = MAX_CERTIFICATE + (176 << 10);
