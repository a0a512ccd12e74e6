//! Named fault points: a test can end the process before or after every step. The hook is a port:
//! the program that people get is given one that does nothing.

/// Is told of every fault point that is reached. Points are named `keys/STEP/before`,
/// `keys/STEP/after`, and so on for `access`, `rekey` and `rollout`.
pub trait FaultHook: Send + Sync {
    /// Called at the point; a hook that wants a fault does not return.
    fn reached(&self, point: &str);
}

/// Nothing happens at any point.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl FaultHook for NoFaults {
    fn reached(&self, _point: &str) {}
}

/// Both points of a step.
pub fn points(area: &str, step: &str) -> [String; 2] {
    [format!("{area}/{step}/before"), format!("{area}/{step}/after")]
}
