"""Backends of fine-tuning: one module per server, loaded by name."""
