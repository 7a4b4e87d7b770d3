from __future__ import annotations

import re
import socket
from typing import Any

import pytest

from tasker.serve._ports import cannot_listen, host_of, listener_of, port_in, port_of, sockets_of


@pytest.mark.parametrize(
    ("said", "port"), [(None, 8000), ("", 8000), ("80", 80), (" 80 ", 80), ("0", 0), ("65535", 65535)]
)
def test_the_environment_takes_precedence_if_it_says_a_port(
    said: str | None, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    if said is not None:
        monkeypatch.setenv("PORT", said)

    assert port_of(8000, "PORT") == port


def test_without_the_name_of_a_variable_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "http")

    assert port_of(8000, None) == 8000


@pytest.mark.parametrize("said", ["http", "-1", "65536", "80.0", "\u0668", "8_0"])
def test_what_is_no_port_in_the_environment_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", said)

    with pytest.raises(ValueError, match=re.escape(f"PORT: expected a port from 0 to 65535, got {said!r}")):
        port_of(8000, "PORT")


@pytest.mark.parametrize(
    ("port", "port_env", "error"),
    [
        ("80", None, TypeError),
        (True, None, TypeError),
        (-1, None, ValueError),
        (65536, None, ValueError),
        (80, 1, TypeError),
    ],
)
def test_a_bad_port_is_refused(port: Any, port_env: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^port"):
        port_of(port, port_env)


def test_a_bad_host_is_refused() -> None:
    with pytest.raises(TypeError, match="host: expected a string, got 42"):
        host_of(42)  # type: ignore[arg-type]


def close(*sockets: socket.socket) -> None:
    for each in sockets:
        each.close()


def test_a_free_port_is_found_and_is_the_same_on_all_addresses() -> None:
    sockets = sockets_of("web", "", 0)
    ports = {port_in(each) for each in sockets}
    close(*sockets)

    assert len(ports) == 1
    assert ports != {0}


@pytest.mark.parametrize("listen", [lambda *where: sockets_of(*where)[0], listener_of])
def test_a_port_in_use_is_an_error_that_says_what_to_do(listen: Any) -> None:
    taken = listener_of("other", "127.0.0.1", 0)
    port = port_in(taken)

    with pytest.raises(OSError, match="web cannot listen") as caught:
        listen("web", "127.0.0.1", port)
    close(taken)

    assert str(caught.value).endswith(
        f"web cannot listen on 127.0.0.1, port {port}: Address already in use; something listens there already: stop"
        " it, or choose another port (0 means a free one)"
    )
    assert isinstance(caught.value.__cause__, OSError)


def test_an_address_that_is_not_ours_is_an_error_that_says_so() -> None:
    with pytest.raises(OSError, match="this machine has no such address"):
        sockets_of("web", "192.0.2.1", 0)


def test_a_port_of_root_is_an_error_that_says_so() -> None:
    error = cannot_listen("web", "", 80, PermissionError(13, "Permission denied"))

    assert "web cannot listen on all addresses, port 80: Permission denied; ports below 1024 are for root" in str(error)


def test_a_host_that_is_not_known_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(OSError, match="web cannot listen on nowhere, port 80: Name or service not known"):
        sockets_of("web", "nowhere", 80)


@pytest.mark.parametrize("host", ["", "127.0.0.1", "localhost"])
def test_one_socket_listens(host: str) -> None:
    listener = listener_of("web", host, 0)
    client = socket.create_connection(("127.0.0.1" if host != "localhost" else host, port_in(listener)), 5)
    close(client, listener)


def test_without_sockets_for_both_families_all_addresses_are_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)

    listener = listener_of("web", "", 0)
    family = listener.family
    close(listener)

    assert family in {socket.AF_INET, socket.AF_INET6}
