"""Planning: which differences a design can detect."""
