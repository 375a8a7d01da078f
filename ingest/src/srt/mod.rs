//! SRT, on libsrt.
