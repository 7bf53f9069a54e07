"""Where answers come from: one module for each kind of endpoint, found by ``base.find``."""
