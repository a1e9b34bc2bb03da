//! The codes of service errors (the header `Nats-Service-Error-Code`).

/// The request is invalid.
pub const BAD_REQUEST: u16 = 400;
/// The customer or dead letter does not exist.
pub const NOT_FOUND: u16 = 404;
/// The state of the twin or of the service does not allow it.
pub const CONFLICT: u16 = 409;
/// Too many outputs wait for the broker; ask again later.
pub const BUSY: u16 = 429;
/// The service failed.
pub const INTERNAL: u16 = 500;
/// Too many requests of this kind wait for their replies; ask again later.
pub const TOO_MANY_REQUESTS: u16 = 503;
/// The disk has too little space to process anything; ask again later.
pub const NO_ROOM: u16 = 507;
