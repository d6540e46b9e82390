"""``python -m mlctl_ray.search``."""

from .cli import app

app(prog_name="python -m mlctl_ray.search")
