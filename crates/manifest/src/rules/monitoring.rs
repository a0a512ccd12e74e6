//! The rules of `spec.monitoring`.

use super::ingress::{KEY_HINT, is_key, is_label};
use super::{Rule, Rules};
use crate::document::Monitoring;
use crate::node::{Node, Scalar, field};

const POD_MONITORING: &str = "spec.monitoring.podMonitoring";
const POD_MONITOR: &str = "spec.monitoring.podMonitor";
const ALERTS: &str = "spec.monitoring.alerts";
const LABELS: &str = "spec.monitoring.podMonitor.labels";

impl Rules<'_, '_> {
    pub(super) fn monitoring(&mut self, monitoring: &Monitoring) {
        match (&monitoring.pod_monitoring, &monitoring.pod_monitor) {
            (Some(_), Some(_)) => {
                let hint = "keep one of them";
                self.broken(Rule::TwoCollectors, &[POD_MONITORING, POD_MONITOR], hint);
            }
            (None, None) if monitoring.alerts => {
                let involved = [ALERTS, POD_MONITORING, POD_MONITOR];
                let hint = "add podMonitoring or podMonitor";
                self.broken(Rule::AlertsForNobody, &involved, hint);
            }
            _ => {}
        }
        self.labels();
    }

    fn labels(&mut self) {
        let entries = self.root.at_path(LABELS).and_then(Node::entries).unwrap_or_default();
        for entry in entries {
            let path = field(LABELS, &entry.key);
            if !is_key(&entry.key) {
                let rule = Rule::NotAKey { name: entry.key.clone() };
                self.report.add(entry.at, &path, rule.into()).hint = Some(KEY_HINT.to_owned());
            }
            // What is no text was reported already.
            if let Some(Scalar::Text(value)) = entry.value.scalar()
                && !is_label(value)
            {
                let rule = Rule::NotALabel { value: value.to_owned() };
                let hint = "write at most 63 letters, digits, -, _ and .";
                self.report.add(entry.value.at, &path, rule.into()).hint = Some(hint.to_owned());
            }
        }
    }
}
