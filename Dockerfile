# Two images from one file.
#   docker build --target server -t tributary-server .     answers requests; no torch, no Polars, no Arrow
#                                                           (129 MB are the compiler of rankers: [server] goes without)
#   docker build --target index  -t tributary-index  .     rebuilds snapshots; with the text encoder and its weights
# Where PyPI's torch would bring CUDA:  --build-arg TORCH_INDEX=<an index of CPU builds>   (index target only)
#
# The text encoder of Search is in the second: docker run --entrypoint recsys-encoder tributary-index --address …
#
# Both run with a read-only root and as nobody in particular; snapshots and the embedding cache are volumes:
#   docker run --read-only --tmpfs /tmp -v shop:/data:ro -v snapshots:/snapshots tributary-index rebuild --data /data
#   docker run --read-only -v snapshots:/snapshots:ro -v forests:/cache -p 127.0.0.1:50051:50051 tributary-server
#
# No HEALTHCHECK: the server speaks the standard gRPC health protocol, which orchestrators probe themselves
# (in Kubernetes `grpc: {port: 50051}`); it is SERVING once a snapshot is loaded and answers.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY recsys recsys
COPY index index
COPY server server
COPY client client
COPY protos protos

FROM build AS build-server
RUN /opt/venv/bin/pip install --constraint constraints.txt ".[server,redis,compiled]"

FROM build AS build-index
ARG TORCH_INDEX=""
RUN /opt/venv/bin/pip install --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    ".[index,model,demo,client]"

FROM python:3.11-slim AS runtime
# The one system library that wheels leave out: OpenMP, for LightGBM.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent tributary \
    && install -d -o tributary -g tributary /snapshots /cache
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 RECSYS_SNAPSHOTS=/snapshots
USER 10001:10001
WORKDIR /snapshots

FROM runtime AS index
COPY --from=build-index /opt/venv /opt/venv
ENV RECSYS_CACHE=/cache HF_HOME=/tmp/huggingface
VOLUME ["/snapshots", "/cache"]
ENTRYPOINT ["recsys-index"]
CMD ["--help"]

# Last, so that a build without --target gives the server.
FROM runtime AS server
COPY --from=build-server /opt/venv /opt/venv
# Rankers compiled for this machine outlive the container where /cache is a named volume.
ENV RECSYS_COMPILED_CACHE=/cache/forests
# A container's loopback is reachable from nowhere. Plain text on all addresses is what --insecure admits to: publish the
# port on a private network only, or behind a proxy that speaks TLS. With TLS and tokens of its own: RECSYS_INSECURE=off.
ENV RECSYS_ADDRESS=0.0.0.0:50051 RECSYS_INSECURE=on
EXPOSE 50051
VOLUME ["/snapshots", "/cache"]
ENTRYPOINT ["recsys-server"]
