"""The emergent-misalignment check: open-ended replies, and a judge's scores of them."""
