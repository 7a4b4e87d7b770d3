"""What people run, each a task in one line: web applications, servers, commands, functions in a process of their own.

The libraries behind `asgi` and `wsgi` are extras, and are imported only when a task of theirs is built.
"""

from tasker.serve._asgi import asgi
from tasker.serve._command import command
from tasker.serve._forever import forever
from tasker.serve._in_process import in_process
from tasker.serve._wsgi import wsgi

__all__ = ["asgi", "command", "forever", "in_process", "wsgi"]
