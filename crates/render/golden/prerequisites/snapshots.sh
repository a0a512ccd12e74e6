#!/bin/sh
# What the cluster vault/vault needs at Google before `vaultyard up`. Run it as often as you like.
set -eu
: "${PROJECT:?the id of the project that GKE runs in}"
: "${REGION:?the region of the cluster}"
NUMBER=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)')
# The servers' account, which GKE's workload identity vouches for.
MEMBER="principal://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/$PROJECT.svc.id.goog/subject/ns/vault/sa/vault"

gcloud storage buckets describe gs://example-vault-snapshots --project="$PROJECT" >/dev/null 2>&1 ||
  gcloud storage buckets create gs://example-vault-snapshots --project="$PROJECT" --location="$REGION" --uniform-bucket-level-access --public-access-prevention
gcloud storage buckets update gs://example-vault-snapshots --soft-delete-duration=90d
gcloud storage buckets add-iam-policy-binding gs://example-vault-snapshots \
  --member="$MEMBER" --role=roles/storage.objectCreator --condition=None
gcloud storage buckets add-iam-policy-binding gs://example-vault-snapshots \
  --member="$MEMBER" --role=roles/storage.objectViewer --condition=None
# Snapshots are deleted when there are enough newer ones.
gcloud storage buckets add-iam-policy-binding gs://example-vault-snapshots \
  --member="$MEMBER" --role=roles/storage.objectUser \
  --condition='title=snapshots,expression=resource.name.startsWith("projects/_/buckets/example-vault-snapshots/objects/vault/snapshots/")'
