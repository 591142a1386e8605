"""Settings of `masksmith serve`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from pipeline.stage import StageSettings


class ServeSettings(StageSettings):
    """How the workbench is served."""

    host: str = Field("127.0.0.1", description="The address to listen at.")
    port: int = Field(8104, ge=0, le=65535, description="The port; 0 takes a free one.")
    hosts: tuple[str, ...] = Field(
        (), description="Names under which browsers reach the server, beside the host."
    )
    https: bool = Field(False, description="Browsers come over TLS, by a proxy in front.")
    session_hours: float = Field(
        12.0, gt=0, le=24 * 30, description="A session ends after so long without a request."
    )
    lease_minutes: float = Field(
        10.0, gt=0, le=24 * 60, description="A mask nobody drew on for so long is free again."
    )
    login_tries_per_minute: int = Field(
        5, ge=1, description="Failed ones, by address and by name; six times as many in an hour."
    )
    memory_mb: int = Field(1200, ge=1, description="Of CTs kept open; the newest one stays.")
    max_stroke_mb: int = Field(32, ge=1, le=1024, description="Of one stroke as it is sent.")
    blind_share: float = Field(
        0.0, ge=0, le=1, description="Of corrected masks shown once more, blind."
    )
    proxy_header: str = Field(
        "",
        description="The header in which a proxy says who signed in; nobody else is believed.",
    )
    proxy_addresses: tuple[str, ...] = Field(
        ("127.0.0.1",), description="Where the proxy's requests come from."
    )
    configs: Path = Field(
        Path("configs"),
        description="The folder with annotation.yaml.",
        json_schema_extra={"cli": "hidden"},
    )

    @model_validator(mode="after")
    def _addresses_can_be(self) -> Self:
        for address in self.proxy_addresses:
            ipaddress.ip_address(address)
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def names(self) -> frozenset[str]:
        """What a browser may say in its Host header, without the port."""
        own = {self.host.lower(), *(name.lower() for name in self.hosts)}
        return frozenset(own | ({"localhost", "127.0.0.1", "::1"} if self.is_loopback else set()))


def is_loopback(address: str) -> bool:
    """Tell whether an address or name is this machine's own."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
