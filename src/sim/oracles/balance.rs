//! The bytes of each connection balance: in the trace, and with what the network has moved.

use super::Case;
use crate::text::count;

/// Judges one conversation.
pub fn judge<S>(case: &Case<'_, S>) -> Result<(), String> {
    let Some(served) = &case.conversation.served else { return Ok(()) };
    if let Some(wrong) = &served.balance.wrong {
        return Err(wrong.clone());
    }
    let (taken, received) = (case.conversation.peer.taken(), served.balance.received);
    if taken != received {
        return Err(format!("{} of its input were read, and {received} were received", count(taken, "byte")));
    }
    Ok(())
}
