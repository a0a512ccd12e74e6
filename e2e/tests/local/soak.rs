//! What takes minutes: `make soak`.

#[test]
fn every_fault_point_alone_leads_to_a_working_cluster() {
    crate::faults::each_alone_leads_to_a_working_cluster();
}
