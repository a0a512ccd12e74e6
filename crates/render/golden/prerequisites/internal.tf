# What the cluster vault/vault needs at Google before `vaultyard up`.
# By hand: Cloud Armor: the security policy office-only, with the rules you want.
# By hand: A proxy-only subnet in the region, in the network of the nodes.

variable "project" {
  description = "The id of the project that GKE runs in."
  type = string
}

variable "region" {
  description = "The region of the cluster."
  type = string
}

variable "subnet" {
  description = "The subnet of the nodes."
  type = string
}

resource "google_compute_address" "clients" {
  name = "vault-address"
  project = var.project
  region = var.region
  address_type = "INTERNAL"
  purpose = "SHARED_LOADBALANCER_VIP"
  subnetwork = var.subnet
}

resource "google_compute_region_ssl_policy" "clients" {
  name = "modern"
  project = var.project
  region = var.region
  profile = "MODERN"
  min_tls_version = "TLS_1_2"
}
