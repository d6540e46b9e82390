"""Training: the step loop in plain torch, and the one adapter to Ray Train."""
