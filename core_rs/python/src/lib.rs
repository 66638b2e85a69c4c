//! The Python extension `app._core`: converts in, calls `ocpp-core`, converts out.
