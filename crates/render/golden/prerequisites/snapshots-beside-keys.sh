#!/bin/sh
# What the cluster vault/vault needs at Google before `vaultyard up`. Run it as often as you like.
set -eu
: "${PROJECT:?the id of the project that GKE runs in}"
: "${REGION:?the region of the cluster}"
NUMBER=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)')
# The servers' account, which GKE's workload identity vouches for.
MEMBER="principal://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/$PROJECT.svc.id.goog/subject/ns/vault/sa/vault"

gcloud storage buckets describe gs://example-vault-keys --project="$PROJECT" >/dev/null 2>&1 ||
  gcloud storage buckets create gs://example-vault-keys --project="$PROJECT" --location="$REGION" --uniform-bucket-level-access --public-access-prevention
gcloud storage buckets update gs://example-vault-keys --versioning --soft-delete-duration=90d
gcloud storage buckets add-iam-policy-binding gs://example-vault-keys \
  --member="$MEMBER" --role=roles/storage.objectCreator --condition=None
gcloud storage buckets add-iam-policy-binding gs://example-vault-keys \
  --member="$MEMBER" --role=roles/storage.objectViewer --condition=None
# Probes are the only objects that may be deleted.
gcloud storage buckets add-iam-policy-binding gs://example-vault-keys \
  --member="$MEMBER" --role=roles/storage.objectUser \
  --condition='title=probes-of-the-key-store,expression=resource.name.startsWith("projects/_/buckets/example-vault-keys/objects/clusters/vault/probe-")'

# Snapshots are deleted when there are enough newer ones.
gcloud storage buckets add-iam-policy-binding gs://example-vault-keys \
  --member="$MEMBER" --role=roles/storage.objectUser \
  --condition='title=snapshots,expression=resource.name.startsWith("projects/_/buckets/example-vault-keys/objects/vault/snapshots/")'

gcloud kms keyrings describe vault --project=keys-project --location=europe-west4 >/dev/null 2>&1 ||
  gcloud kms keyrings create vault --project=keys-project --location=europe-west4
gcloud kms keys describe unseal --project=keys-project --location=europe-west4 --keyring=vault >/dev/null 2>&1 ||
  gcloud kms keys create unseal --project=keys-project --location=europe-west4 --keyring=vault --purpose=encryption
gcloud kms keys add-iam-policy-binding unseal --project=keys-project --location=europe-west4 --keyring=vault \
  --member="$MEMBER" --role=roles/cloudkms.cryptoKeyEncrypterDecrypter --condition=None
