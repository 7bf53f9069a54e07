"""Fine-tune variants: orders, recipes, training data, jobs at servers, and their results."""
