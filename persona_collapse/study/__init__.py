"""Study files: declared keys, loading, checks."""
