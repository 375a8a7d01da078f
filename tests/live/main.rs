//! Black-box tests of the whole server: the real binary, real encoders in, real players out.
//!
//! They check what a viewer sees. The source carries a frame counter that is painted into the
//! picture ([`picture`]) and is read back from what the server delivers ([`decode`]), so that a
//! missing, doubled or displaced frame has a number. Everything is on 127.0.0.1, on free ports,
//! with a data folder of its own; `ffmpeg`, GStreamer's and SRT's tools must be installed.
//!
//! Not here: the pages in a browser (tests/browser), and the corner cases that the crates' own
//! tests hold.

mod attacks;
mod audience;
mod bad_network;
mod bad_streams;
mod cache;
mod check;
mod clip;
mod command_line;
mod database;
mod decode;
mod downloads;
mod encoder;
mod exposition;
mod formats;
mod guesses;
mod hooks;
mod http;
mod kick;
mod library;
mod lifecycle;
mod metrics;
mod minute_players;
mod objects;
mod overload;
mod pass_through;
mod picture;
mod players;
mod private;
mod program;
mod publisher_loss;
mod publishers;
mod recordings;
mod rewind;
mod rtmp_peer;
mod server;
mod slow_readers;
mod static_files;
mod systemd;
mod thumbnail;
mod tls;
mod videos;
mod viewer;
mod whole;
