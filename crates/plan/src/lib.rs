//! What to do next, and why. Pure: values in, values out; no clock, no I/O, no choice left to
//! the caller. The same input always gives the same answer.
//!
//! | file | decides |
//! |---|---|
//! | [`restart`] | when a server whose process ended is started again |
//! | [`life`] | which server is ended because it only looks alive |
//! | [`history`] | what of the past the decisions need |
//! | [`reached`] | whether its leader has reached a server since it came |
//! | [`shortfall`] | what each server still lacks |
//! | [`status`] | phase, conditions and the sentence that explains them |
//! | [`change`] | which changes of a document an existing cluster cannot follow |
//! | [`proposal`] | what a changed document means for servers that run, before anything happens |
//! | [`rollout`] | which server is replaced next, and what must hold before |
//! | `scale` | which server comes or goes next where another number of them is wanted |
//! | [`versions`] | which version may follow which, and what cannot be undone then |
//! | [`shutdown`] | in which order servers are stopped |

pub mod change;
pub mod history;
pub mod life;
pub mod proposal;
pub mod reached;
pub mod restart;
pub mod rollout;
mod scale;
pub mod shortfall;
pub mod shutdown;
pub mod status;
pub mod versions;
