"""What lies behind S and R: noise, variance components, fidelity, scale use."""
