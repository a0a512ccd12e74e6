# The cluster vault/vault needs nothing at Google beforehand.
