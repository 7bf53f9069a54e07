"""The study file: its keys, its defaults, its checks."""
