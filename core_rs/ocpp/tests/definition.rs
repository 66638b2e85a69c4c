//! The embedded definition keeps its own promises.

use ocpp_core::definition::v16;

#[test]
fn it_loads() {
    assert!(v16().messages.contains_key("MeterValues"));
}
