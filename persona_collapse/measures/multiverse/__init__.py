"""The multiverse: what S, R and the verdict are under other reasonable choices of analysis."""
