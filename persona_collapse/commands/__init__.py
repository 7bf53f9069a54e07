"""What a user asks of a study without running it: costs, preflight, store contents."""
