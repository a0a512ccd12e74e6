//! What the document needs at Google before `up`: addresses, policies, a bucket, a key, and the
//! rights of the servers' account on them. As a shell script, or for Terraform.

mod gcloud;
mod needs;
mod terraform;
#[cfg(test)]
mod tests;

pub use gcloud::gcloud;
pub use terraform::terraform;
