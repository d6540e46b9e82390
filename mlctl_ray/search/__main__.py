"""``python -m mlctl_ray.search``."""

from ..search_command import app

app(prog_name="python -m mlctl_ray.search")
