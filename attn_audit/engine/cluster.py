"""A Ray cluster: one that runs, or one that is started here for as long as it is needed."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from attn_audit.engine.handlers import keeping_signal_handlers
from attn_audit.errors import ConfigurationError


@dataclass(frozen=True)
class Cluster:
    """Where shards are audited."""

    address: str | None
    """Of a running cluster; None: one is started on this machine and ends with the audit."""
    workers: int | None
    """None: as many as the cluster's CPUs allow."""
    gpus_per_worker: float = 0.0


def _require_reachable(address: str | None) -> None:
    """Ray itself would wait for minutes, and then end the process."""
    if address is None:
        return
    host, _, port = address.rpartition(":")
    problem = "it is not HOST:PORT"
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
            return
        except (OSError, OverflowError) as error:
            problem = str(error)
    raise ConfigurationError(
        f"--ray-address {address}: {problem}",
        hint="Give the address that `ray start --head` printed; without one, a cluster is started.",
    )


def _unavailable(address: str | None, error: Exception) -> ConfigurationError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    if address is None:
        return ConfigurationError(f"--engine ray: no cluster can be started here: {first}")
    return ConfigurationError(
        f"--ray-address {address}: {first}",
        hint="Run on a machine of the cluster, with its RAY_AUTH_TOKEN if it asks for one.",
    )


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Within: a cluster; one that was started for it ends with it.

    Args:
        address: Of a running cluster; None: one is started on this machine.

    Raises:
        ConfigurationError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError:
        raise ConfigurationError(
            "--engine ray: Ray is not installed", hint="pip install 'attn-audit[ray]'"
        ) from None
    _require_reachable(address)
    try:
        with keeping_signal_handlers():
            ray.init(
                address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise _unavailable(address, error) from None
    try:
        yield
    finally:
        ray.shutdown()
