//! What a handshake payload says: which libp2p identity a static key belongs to.
