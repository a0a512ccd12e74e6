#!/bin/sh
# What the cluster vault/vault needs at Google before `vaultyard up`. Run it as often as you like.
set -eu
: "${PROJECT:?the id of the project that GKE runs in}"
NUMBER=$(gcloud projects describe "$PROJECT" --format='value(projectNumber)')
# The servers' account, which GKE's workload identity vouches for.
MEMBER="principal://iam.googleapis.com/projects/$NUMBER/locations/global/workloadIdentityPools/$PROJECT.svc.id.goog/subject/ns/vault/sa/vault"

gcloud kms keyrings describe r --project=p --location=europe-west4 >/dev/null 2>&1 ||
  gcloud kms keyrings create r --project=p --location=europe-west4
gcloud kms keys describe keys --project=p --location=europe-west4 --keyring=r >/dev/null 2>&1 ||
  gcloud kms keys create keys --project=p --location=europe-west4 --keyring=r --purpose=encryption
gcloud kms keys add-iam-policy-binding keys --project=p --location=europe-west4 --keyring=r \
  --member="$MEMBER" --role=roles/cloudkms.cryptoKeyEncrypterDecrypter --condition=None

gcloud kms keyrings describe r --project=p --location=europe-west4 >/dev/null 2>&1 ||
  gcloud kms keyrings create r --project=p --location=europe-west4
gcloud kms keys describe seal --project=p --location=europe-west4 --keyring=r >/dev/null 2>&1 ||
  gcloud kms keys create seal --project=p --location=europe-west4 --keyring=r --purpose=encryption
gcloud kms keys add-iam-policy-binding seal --project=p --location=europe-west4 --keyring=r \
  --member="$MEMBER" --role=roles/cloudkms.cryptoKeyEncrypterDecrypter --condition=None
