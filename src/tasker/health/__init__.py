"""Whether a program is alive and ready, for whoever has to know: Kubernetes, a load balancer, people.

systemd is told by `tasker.main` itself, if `NOTIFY_SOCKET` is set.
"""

from tasker.health._schedules import Row, Source
from tasker.health._server import server

__all__ = ["Row", "Source", "server"]
