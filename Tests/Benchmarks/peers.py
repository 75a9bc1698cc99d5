"""The proxies that are compared: how each is started for gRPC over HTTP/2 on both sides, without an access log.

What is set beyond that is what each one's manual recommends for this kind of traffic; the reason stands beside it.
"""

import json
import pathlib
import shlex
from dataclasses import dataclass

from processes import Child, Cores, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: Longer than any benchmark: streams that are silent for long are what gRPC callers of models have.
FOREVER_S = 86_400
#: Before the names of the messages in Envoy's configuration.
TYPES = "type.googleapis.com/envoy.extensions"


@dataclass
class Place:
    """What a proxy is started with."""

    workers: list[str]
    folder: pathlib.Path
    cores: Cores
    threads: int = 1
    #: PEM files of certificate and key; with them the proxy speaks TLS to callers, not to workers.
    tls: tuple[str, str] | None = None
    homing: str = ""
    homing_arguments: str = ""

    def start(self, name: str, command: list[str]) -> Child:
        return Child(name, command, self.folder, self.cores.proxy)

    def write(self, name: str, text: str) -> str:
        file = self.folder / name
        file.write_text(text)
        return str(file)


@dataclass
class Proxy:
    """A proxy that runs. Whoever started it stops its child."""

    name: str
    child: Child
    address: str


def start_homing(place: Place) -> Proxy:
    """Everything on: decoding, affinity, tracking, metrics."""
    command = [place.homing, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--no-access-log"]
    command += ["--threads", str(place.threads)]
    if place.tls:
        command += ["--tls-certificate", place.tls[0], "--tls-key", place.tls[1]]
    for worker in place.workers:
        command += ["--replica", worker]
    child = place.start("homing", [*command, *shlex.split(place.homing_arguments)])
    return Proxy("homing", child, child.line(r"^homing serving grpc=([^ ,]+)")[1])


def start_nghttpx(place: Place) -> Proxy:
    port = free_port()
    backends = [f"-b{host},{port_};/;proto=h2" for host, port_ in (worker.rsplit(":", 1) for worker in place.workers)]
    command = [
        "nghttpx", "--conf=/dev/null", f"-n{place.threads}", "--single-process", "-LWARN",
        # A stream may be silent for longer than the minute that is the default.
        f"--backend-read-timeout={FOREVER_S}", f"--frontend-http2-read-timeout={FOREVER_S}",
        # 12 KB × 16 streams exceed the default of 64 KB per connection, which would make the load wait.
        "--frontend-http2-connection-window-size=16M",
        f"-f127.0.0.1,{port}" + ("" if place.tls else ";no-tls"), *backends,
    ]
    if place.tls:
        command += [place.tls[1], place.tls[0]]
    child = place.start("nghttpx", command)
    child.expect_listening(port)
    return Proxy("nghttpx", child, f"127.0.0.1:{port}")


def start_haproxy(place: Place) -> Proxy:
    port = free_port()
    tls = ""
    if place.tls:
        both = place.write("haproxy.pem", "".join(pathlib.Path(name).read_text() for name in place.tls))
        tls = f"ssl crt {both} alpn h2"
    servers = "\n".join(f"  server w{index} {worker} proto h2" for index, worker in enumerate(place.workers))
    # http-reuse always: the manual's advice for the best reuse of backend connections; without it gRPC callers do not
    # share them. http-no-delay: its advice for interactive traffic; without it a message waits for a delayed ACK.
    file = place.write("haproxy.cfg", f"""\
global
  nbthread {place.threads}
  maxconn 4000
  tune.h2.max-concurrent-streams 1000
  tune.h2.initial-window-size 1048576
defaults
  mode http
  timeout connect 5s
  timeout client {FOREVER_S}s
  timeout server {FOREVER_S}s
  option http-no-delay
  no log
frontend callers
  bind 127.0.0.1:{port} {tls or "proto h2"} backlog 4096
  default_backend workers
backend workers
  balance leastconn
  http-reuse always
{servers}
""")
    child = place.start("haproxy", ["haproxy", "-db", "-f", file])
    child.expect_listening(port)
    return Proxy("haproxy", child, f"127.0.0.1:{port}")


def start_nginx(place: Place) -> Proxy:
    port = free_port()
    tls = f"ssl_certificate {place.tls[0]}; ssl_certificate_key {place.tls[1]};" if place.tls else ""
    servers = " ".join(f"server {worker};" for worker in place.workers)
    # keepalive: without it every call connects anew; one call holds one connection to a worker, so as many as there
    # may be calls. keepalive_requests: the default of 1,000 would close connections all the time.
    file = place.write("nginx.conf", f"""\
daemon off;
worker_processes {place.threads};
worker_rlimit_nofile 20000;
pid {place.folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 20000; use epoll; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {place.folder}/nginx-body; proxy_temp_path {place.folder}/nginx-proxy;
  fastcgi_temp_path {place.folder}/nginx-fastcgi; uwsgi_temp_path {place.folder}/nginx-uwsgi;
  scgi_temp_path {place.folder}/nginx-scgi;
  upstream workers {{
    {servers}
    keepalive 1024; keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}s;
  }}
  server {{
    listen 127.0.0.1:{port} http2 {"ssl" if place.tls else ""} reuseport backlog=4096;
    {tls}
    http2_max_concurrent_streams 1000;
    keepalive_requests 1000000000; keepalive_timeout {FOREVER_S}s;
    client_max_body_size 0;
    location / {{
      grpc_pass grpc://workers;
      grpc_read_timeout {FOREVER_S}s; grpc_send_timeout {FOREVER_S}s;
    }}
  }}
}}
""")
    child = place.start("nginx", ["nginx", "-e", "stderr", "-p", str(place.folder), "-c", file])
    child.expect_listening(port)
    return Proxy("nginx", child, f"127.0.0.1:{port}")


def start_envoy(place: Place) -> Proxy:
    """The program inside the wheel, not the Python script that starts it."""
    found = sorted(ROOT.glob(".venv-bench/lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise SystemExit("there is no Envoy; scripts/setup --bench installs it")
    port = free_port()
    http2 = {"initial_stream_window_size": 1 << 20, "initial_connection_window_size": 16 << 20,
             "max_concurrent_streams": 10_000}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "callers", "codec_type": "HTTP2", "http2_protocol_options": http2,
        # Its advice for streaming gRPC: no time limits on streams and routes. No tracing, so no request ids.
        "stream_idle_timeout": "0s", "request_timeout": "0s", "generate_request_id": False,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": f"{TYPES}.filters.http.router.v3.Router", "dynamic_stats": False}}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": "workers", "timeout": "0s"}}]}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    if place.tls:
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": f"{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"alpn_protocols": ["h2"], "tls_certificates": [
                {"certificate_chain": {"filename": place.tls[0]}, "private_key": {"filename": place.tls[1]}}]}}}
    # Its advice for load tests: circuit breakers out of the way (1,024 requests by default).
    limits = {"max_connections": 1 << 20, "max_pending_requests": 1 << 20, "max_requests": 1 << 20}
    endpoints = [{"endpoint": {"address": address(*worker.rsplit(":", 1))}} for worker in place.workers]
    file = place.write("envoy.json", json.dumps({"static_resources": {
        "listeners": [{"name": "callers", "address": address("127.0.0.1", port), "filter_chains": [chain]}],
        "clusters": [{
            "name": "workers", "type": "STATIC", "lb_policy": "LEAST_REQUEST",
            "circuit_breakers": {"thresholds": [limits]},
            "load_assignment": {"cluster_name": "workers", "endpoints": [{"lb_endpoints": endpoints}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": http2}}},
        }],
    }}))
    command = [str(found[-1]), "-c", file, "--concurrency", str(place.threads), "--disable-hot-restart", "-l", "warn"]
    child = place.start("envoy", command)
    child.expect_listening(port)
    return Proxy("envoy", child, f"127.0.0.1:{port}")


def address(host: str, port: int | str) -> dict:
    return {"socket_address": {"address": host, "port_value": int(port)}}


PEERS = {"nghttpx": start_nghttpx, "haproxy": start_haproxy, "nginx": start_nginx, "envoy": start_envoy}
STARTERS = {"homing": start_homing, **PEERS}
