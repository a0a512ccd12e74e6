#!/bin/sh
# What the cluster vault/vault needs at Google before `vaultyard up`. Run it as often as you like.
# By hand: Cloud Armor: the security policy office-only, with the rules you want.
# By hand: A proxy-only subnet in the region, in the network of the nodes.
set -eu
: "${PROJECT:?the id of the project that GKE runs in}"
: "${REGION:?the region of the cluster}"
: "${SUBNET:?the subnet of the nodes}"

gcloud compute addresses describe vault-address --project="$PROJECT" --region="$REGION" >/dev/null 2>&1 ||
  gcloud compute addresses create vault-address --project="$PROJECT" --region="$REGION" --subnet="$SUBNET" --purpose=SHARED_LOADBALANCER_VIP

gcloud compute ssl-policies describe modern --project="$PROJECT" --region="$REGION" >/dev/null 2>&1 ||
  gcloud compute ssl-policies create modern --project="$PROJECT" --region="$REGION" --profile=MODERN --min-tls-version=1.2
