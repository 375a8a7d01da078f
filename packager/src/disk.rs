//! Threads that wait for a disk: so many and no more, however many viewers ask and whatever the
//! disk does.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Most threads that wait for the disk for viewers at a time. The runtime has 512 that may wait,
/// and the ends of broadcasts and logins need some of them: a disk that hangs holds its threads for
/// good. It is also what bounds the memory of reads on their way, to 16 MiB.
pub const THREADS_MAX: usize = 64;

/// The places of those who read a disk. Clones share them.
#[derive(Clone, Debug)]
pub struct Disk {
    places: Arc<Semaphore>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(THREADS_MAX)),
        }
    }
}

impl Disk {
    /// What `work` gives, on a thread that may wait for the disk, from when there is a place. The
    /// place is taken until the work has ended, whether or not anybody still waits for it.
    ///
    /// # Errors
    /// `work` panicked, or the runtime ends.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let done = spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A disk that answers nobody until it is mended.
    #[derive(Default)]
    struct Stuck {
        begun: AtomicUsize,
        is_mended: Mutex<bool>,
        mended: Condvar,
    }

    impl Stuck {
        fn read(&self) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let is_mended = self.is_mended.lock().unwrap();
            let _mended = self.mended.wait_while(is_mended, |mended| !*mended);
        }
    }

    /// It used to take sixty-four threads more each time its readers gave up, until broadcasts could
    /// not even end.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_no_more_threads_when_its_readers_give_up() {
        let (disk, stuck) = (Disk::default(), Arc::new(Stuck::default()));
        for _round in 0..3 {
            let reads = (0..THREADS_MAX).map(|_| {
                let (disk, stuck) = (disk.clone(), Arc::clone(&stuck));
                tokio::spawn(async move {
                    let read = disk.run(move || stuck.read());
                    timeout(Duration::from_millis(200), read).await
                })
            });
            for read in reads.collect::<Vec<_>>() {
                assert!(read.await.unwrap().is_err(), "nothing was read");
            }
        }
        assert_eq!(stuck.begun.load(Ordering::SeqCst), THREADS_MAX);
        *stuck.is_mended.lock().unwrap() = true;
        stuck.mended.notify_all();
        assert_eq!(disk.run(|| 7).await.unwrap(), 7);
    }
}
