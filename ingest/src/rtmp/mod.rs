//! RTMP, publish only.
