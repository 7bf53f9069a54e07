"""Making variants: recipes, training data, the jobs that a server runs, and what became of them."""
