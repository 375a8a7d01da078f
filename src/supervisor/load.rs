//! What the watch over the machine ([`Overload`](crate::overload::Overload)) is told of the broadcasts.

use std::collections::HashMap;
use std::sync::Arc;

use media_core::StreamId;

use super::broadcast::Broadcast;
use super::{Inner, Supervisor};
use crate::overload::{Capacity, LOOK_EVERY, Load, Room};

impl Supervisor {
    /// Watches over the machine; ends with the process.
    pub(crate) async fn watch(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let inner = Arc::clone(&self.inner);
            // It reads as many files as there are threads.
            let look = tokio::task::spawn_blocking(move || {
                let broadcasts: Vec<_> = inner.broadcasts().values().cloned().collect();
                let loads: Vec<_> = broadcasts.iter().map(|it| it.take_load()).collect();
                inner.options.overload.look(&loads);
            });
            if let Err(error) = look.await {
                tracing::error!(%error, "the machine's load is not known");
            }
        }
    }

    /// What is known of the machine.
    pub(crate) fn capacity(&self) -> Capacity {
        let loads = self.inner.loads(&self.inner.broadcasts());
        self.inner.options.overload.capacity(&loads)
    }

    /// How often each was shed.
    pub(crate) fn shed_steps(&self) -> impl Iterator<Item = (media_core::graph::Shed, u64)> {
        self.inner.options.overload.steps()
    }
}

impl Inner {
    /// How the machine encodes another broadcast beside these; `None`: not at all.
    pub(super) fn encodes_one_more(
        &self,
        running: &HashMap<StreamId, Arc<Broadcast>>,
    ) -> Option<Room> {
        let options = &self.options;
        let preset = options.encoding.preset(running.len() + 1);
        options.overload.room(&self.loads(running), preset)
    }

    fn loads(&self, running: &HashMap<StreamId, Arc<Broadcast>>) -> Vec<Load> {
        running.values().map(|broadcast| broadcast.load()).collect()
    }
}
