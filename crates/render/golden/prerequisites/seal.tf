# What the cluster vault/vault needs at Google before `vaultyard up`.

variable "project" {
  description = "The id of the project that GKE runs in."
  type = string
}

data "google_project" "gke" {
  project_id = var.project
}

locals {
  servers = "principal://iam.googleapis.com/projects/${data.google_project.gke.number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/vault/sa/vault"
}

resource "google_kms_key_ring" "seal" {
  name = "r"
  project = "p"
  location = "europe-west4"
}

resource "google_kms_crypto_key" "seal" {
  name = "seal"
  key_ring = google_kms_key_ring.seal.id
  purpose = "ENCRYPT_DECRYPT"
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "seal" {
  crypto_key_id = google_kms_crypto_key.seal.id
  role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member = local.servers
}
