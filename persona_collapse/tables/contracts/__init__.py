"""One module per CSV table, each with its contract as the constant ``TABLE``."""
