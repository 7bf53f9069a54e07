"""From contrasts to a verdict per model."""
