"""A gRPC server that answers every Recommend with the bytes it was given: what the transport alone costs.

Bytes to answer with arrive on standard input, the port leaves on standard output, the end of input ends the process.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

from protos.recommender.v1.recommendation_service_pb2 import RecommendRequest
from server.worker import threads_of

SERVICE = "recommender.v1.RecommendationService"


def main() -> None:
    """Serve one answer until standard input ends; its first eight bytes are the answer's length."""
    n_bytes = int.from_bytes(sys.stdin.buffer.read(8), "big")
    answer = sys.stdin.buffer.read(n_bytes)
    server = grpc.server(
        ThreadPoolExecutor(threads_of(1)), maximum_concurrent_rpcs=256, options=[("grpc.so_reuseport", 1)]
    )
    recommend = grpc.unary_unary_rpc_method_handler(
        lambda request, context: answer, request_deserializer=RecommendRequest.FromString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Recommend": recommend}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.buffer.read()
    server.stop(grace=1.0).wait()


if __name__ == "__main__":
    main()
