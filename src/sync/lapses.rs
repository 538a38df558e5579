//! How long a prober's word is taken after its key has gone: long enough for it to come back, or
//! for another prober to put its own name to what is down, so that a dead backend does not come up
//! for a moment whenever a prober dies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::model::Model;

/// The time that others have to take over.
pub const GRACE: Duration = Duration::from_secs(10);

/// Probers that call backends down and have no key, and since when that is known.
#[derive(Debug, Default)]
pub(super) struct Lapses(HashMap<Arc<str>, Instant>);

impl Lapses {
    /// When the next prober's word is worth nothing any more.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.values().min().map(|since| *since + GRACE)
    }

    /// Looks at who has gone, and takes the word of those that have been gone for long. While the
    /// store is away nobody's time runs: a key that is not seen may be there. Whether backends came
    /// up.
    pub(super) fn look(&mut self, model: &mut Model, connected: bool) -> bool {
        if !connected {
            self.0.clear();
            return false;
        }
        model.forget_silent_probers();
        let now = Instant::now();
        let mut came_up = false;
        let gone: Vec<Arc<str>> = model.unvouched().cloned().collect();
        self.0.retain(|prober, _| gone.contains(prober));
        for prober in gone {
            let since = *self.0.entry(Arc::clone(&prober)).or_insert(now);
            if now >= since + GRACE {
                let backends = model.lapse(&prober);
                warn!(%prober, backends, "prober is gone: what it called down counts as up");
                self.0.remove(&prober);
                came_up |= backends > 0;
            }
        }
        came_up
    }
}
