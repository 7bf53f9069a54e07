"""The report page in a real browser; ``make test-browser`` runs these tests."""
