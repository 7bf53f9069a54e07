"""What the workflow's rules ask of a study: files, params, slots and code digests."""
