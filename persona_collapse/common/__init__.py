"""What every room uses: errors, YAML files, seeds, jobs."""
