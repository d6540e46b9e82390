"""Studies: Optuna decides, Ray Tune executes, the driver records."""
