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

resource "google_storage_bucket" "snapshots" {
  name = "example-vault-snapshots"
  project = var.project
  location = var.region
  uniform_bucket_level_access = true
  public_access_prevention = "enforced"
  soft_delete_policy {
    retention_duration_seconds = 7776000
  }
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "create_snapshots" {
  bucket = google_storage_bucket.snapshots.name
  role = "roles/storage.objectCreator"
  member = local.servers
}

resource "google_storage_bucket_iam_member" "read_snapshots" {
  bucket = google_storage_bucket.snapshots.name
  role = "roles/storage.objectViewer"
  member = local.servers
}

resource "google_storage_bucket_iam_member" "snapshot" {
  bucket = google_storage_bucket.snapshots.name
  role = "roles/storage.objectUser"
  member = local.servers
  condition {
    title = "snapshots"
    expression = "resource.name.startsWith(\"projects/_/buckets/example-vault-snapshots/objects/vault/snapshots/\")"
  }
}
