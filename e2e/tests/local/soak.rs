//! What takes minutes: `make soak`.

#[test]
fn every_fault_point_alone_leads_to_a_working_cluster() {
    crate::faults::each_alone_leads_to_a_working_cluster();
}

#[test]
fn every_fault_point_of_a_rollout_leads_to_what_is_declared() {
    crate::rollout::every_fault_point_leads_to_what_is_declared();
}
