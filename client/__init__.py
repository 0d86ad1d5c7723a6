"""A thin client of the recommendation service: deadlines, retries and typed errors on gRPC, and nothing that ranks."""

from client.aio import AsyncClient
from client.blocking import Client
from client.errors import ClientError, Violation

__all__ = ["AsyncClient", "Client", "ClientError", "Violation"]
