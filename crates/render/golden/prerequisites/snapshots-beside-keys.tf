# What the cluster vault/vault needs at Google before `vaultyard up`.

variable "project" {
  description = "The id of the project that GKE runs in."
  type = string
}

variable "region" {
  description = "The region of the cluster."
  type = string
}

data "google_project" "gke" {
  project_id = var.project
}

locals {
  servers = "principal://iam.googleapis.com/projects/${data.google_project.gke.number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/vault/sa/vault"
}

resource "google_storage_bucket" "keys" {
  name = "example-vault-keys"
  project = var.project
  location = var.region
  uniform_bucket_level_access = true
  public_access_prevention = "enforced"
  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = 7776000
  }
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "create" {
  bucket = google_storage_bucket.keys.name
  role = "roles/storage.objectCreator"
  member = local.servers
}

resource "google_storage_bucket_iam_member" "read" {
  bucket = google_storage_bucket.keys.name
  role = "roles/storage.objectViewer"
  member = local.servers
}

resource "google_storage_bucket_iam_member" "probe" {
  bucket = google_storage_bucket.keys.name
  role = "roles/storage.objectUser"
  member = local.servers
  condition {
    title = "probes-of-the-key-store"
    expression = "resource.name.startsWith(\"projects/_/buckets/example-vault-keys/objects/clusters/vault/probe-\")"
  }
}

resource "google_storage_bucket_iam_member" "snapshot" {
  bucket = google_storage_bucket.keys.name
  role = "roles/storage.objectUser"
  member = local.servers
  condition {
    title = "snapshots"
    expression = "resource.name.startsWith(\"projects/_/buckets/example-vault-keys/objects/vault/snapshots/\")"
  }
}

resource "google_kms_key_ring" "keys" {
  name = "vault"
  project = "keys-project"
  location = "europe-west4"
}

resource "google_kms_crypto_key" "keys" {
  name = "unseal"
  key_ring = google_kms_key_ring.keys.id
  purpose = "ENCRYPT_DECRYPT"
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "servers" {
  crypto_key_id = google_kms_crypto_key.keys.id
  role = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member = local.servers
}
