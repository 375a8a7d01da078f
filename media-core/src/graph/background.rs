//! Threads for work that gives way to broadcasts.
//!
//! GStreamer's streaming threads come from a pool that the whole process shares. A thread's
//! niceness stays with it, and only root can lower it again: a thread that has once been made nice
//! must not go back there. So background pipelines get threads of their own, which end with their
//! work. What encoders and decoders start from such a thread inherits its niceness.

use std::thread::JoinHandle;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

/// As nice as can be: beside a busy thread of a broadcast such a thread gets 1.5 % of a core
/// (sched(7)), and all of it where nobody else wants it.
const NICENESS: i32 = 19;

/// To be called with every message of a background pipeline, from its bus's sync handler: a task
/// that is about to start runs in a background thread.
pub(super) fn take_thread(message: &gst::Message) {
    let gst::MessageView::StreamStatus(status) = message.view() else {
        return;
    };
    if status.type_() != gst::StreamStatusType::Create {
        return;
    }
    let task = status
        .stream_status_object()
        .and_then(|object| object.get::<gst::Task>().ok());
    if let Some(task) = task {
        task.set_pool(&glib::Object::new::<Pool>());
    }
}

glib::wrapper! {
    pub struct Pool(ObjectSubclass<imp::Pool>) @extends gst::TaskPool, gst::Object;
}

/// A thread that runs one task.
pub struct Thread(JoinHandle<()>);

impl gst::TaskHandle for Thread {
    fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("a background thread panicked");
        }
    }
}

fn be_nice() {
    // Of a thread, not of the process: Linux keeps niceness by thread, and 0 is the calling one.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "a background thread keeps the priority of broadcasts");
    }
}

mod imp {
    use gstreamer as gst;
    use gstreamer::glib;
    use gstreamer::subclass::prelude::*;

    use super::{Thread, be_nice};

    #[derive(Default)]
    pub struct Pool;

    #[glib::object_subclass]
    impl ObjectSubclass for Pool {
        const NAME: &'static str = "MillraceBackgroundPool";
        type Type = super::Pool;
        type ParentType = gst::TaskPool;
    }

    impl ObjectImpl for Pool {}
    impl GstObjectImpl for Pool {}

    impl TaskPoolImpl for Pool {
        type Handle = Thread;

        fn push(
            &self,
            work: gst::subclass::TaskPoolFunction,
        ) -> Result<Option<Thread>, glib::Error> {
            let run = move || {
                be_nice();
                work.call();
            };
            std::thread::Builder::new()
                .name("background".into())
                .spawn(run)
                .map(|thread| Some(Thread(thread)))
                .map_err(|error| glib::Error::new(gst::ResourceError::Failed, &error.to_string()))
        }
    }
}
