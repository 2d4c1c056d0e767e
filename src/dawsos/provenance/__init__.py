"""What a release carries as proof: in-toto statements in DSSE envelopes, keys, sigstore, and their verification."""
