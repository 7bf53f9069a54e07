"""A finished study as one archive: provenance, bundle, data package."""
