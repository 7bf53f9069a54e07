"""Backends of fine-tuning: one module per kind of server."""
