"""Start what Kafka's logins need, all real: an issuer of tokens, a Kerberos KDC, a broker with a listener for each."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError

from eddy.stack.jars import flink_home, flink_jars, kafka_classpath
from eddy.stack.ports import free_ports
from tests.integration.certificates import Authority
from tests.integration.harness import until

CLIENT, SECRET = "eddy job", "geheim:\"x\\y'$z;=&+ü%20"
AUDIENCE, SCOPE = "kafka", "kafka.read kafka.write"
REALM, PRINCIPAL = "EDDY.TEST", "eddy"
TOPIC = "logins"
KEY_PASSWORD = 'schluessel "\\$;1'  # noqa: S105
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
REGION = "eu-central-1"


@dataclass
class Issuer:
    """Issue tokens by the grant client_credentials; tests change how it answers."""

    folder: Path
    port: int
    life: float = 3600.0
    audience: str = AUDIENCE
    off: float = 0.0  # seconds by which its clock is ahead
    asked: list[dict[str, str]] = field(default_factory=list)
    down: bool = False
    issued: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.jwks = self.folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [self._key.as_dict(private=False)]}))
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                scheme, _, login = self.headers.get("Authorization", "").partition(" ")
                names = [urllib.parse.unquote(text) for text in base64.b64decode(login).decode().split(":")]
                issuer.asked.append(form)
                status, answer = issuer.answer(scheme, names, form)
                if self.path == "/moved":
                    status, answer = 302, {}
                content = json.dumps(answer).encode()
                self.send_response_only(status)
                self.send_header("Date", self.date_time_string(time.time() + issuer.off))
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Location", issuer.url)  # read with a redirect only
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.url = f"http://127.0.0.1:{self.port}/token"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def answer(self, scheme: str, names: list[str], form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.down:
            return 503, {"error": "temporarily_unavailable"}
        if scheme != "Basic" or names != [CLIENT, SECRET]:
            return 401, {"error": "invalid_client", "error_description": "unknown client or wrong secret"}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if not set(form.get("scope", "").split()) <= set(SCOPE.split()):
            return 400, {"error": "invalid_scope"}
        now = time.time() + self.off
        claims: dict[str, Any] = {"iss": "https://issuer.test", "aud": self.audience, "sub": CLIENT}
        claims["scope"] = form.get("scope", "")
        claims |= {"iat": int(now), "nbf": int(now), "exp": int(now + self.life)}
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        self.issued.append(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": int(self.life)}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class World:
    """Addresses of the listeners, and what belongs to them."""

    issuer: Issuer
    authority: Authority
    krb5: Path
    keytab: Path
    plain: str
    oauth: str
    kerberos: str
    tls: str
    msk: str


@contextlib.contextmanager
def kdc(folder: Path, port: int) -> Iterator[tuple[Path, Path, Path]]:
    """Start a KDC of a realm of its own; yield krb5.conf, the client's and the broker's keytab."""
    config, kdc_config = folder / "krb5.conf", folder / "kdc.conf"
    config.write_text(
        f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_canonicalize_hostname = false\n"
        f" rdns = false\n udp_preference_limit = 1\n"
        f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{port}\n }}\n"
        f"[domain_realm]\n localhost = {REALM}\n 127.0.0.1 = {REALM}\n"
    )
    kdc_config.write_text(
        f"[kdcdefaults]\n kdc_ports = {port}\n kdc_tcp_ports = {port}\n kdc_listen = 127.0.0.1:{port}\n"
        f" kdc_tcp_listen = 127.0.0.1:{port}\n"
        f"[realms]\n {REALM} = {{\n  database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n"
        f"  acl_file = {folder}/none\n  max_life = 1h\n }}\n"
    )
    environment = {**os.environ, "KRB5_CONFIG": str(config), "KRB5_KDC_PROFILE": str(kdc_config)}

    def tool(*command: str) -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    tool("/usr/sbin/kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
    keytabs = []
    for name in (PRINCIPAL, "kafka/localhost"):
        keytab = folder / f"{name.replace('/', '-')}.keytab"
        tool("/usr/sbin/kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {name}")
        tool("/usr/sbin/kadmin.local", "-r", REALM, "-q", f"ktadd -k {keytab} {name}")
        keytabs.append(keytab)
    with (folder / "kdc.out").open("wb") as out:
        server = subprocess.Popen(["/usr/sbin/krb5kdc", "-n", "-r", REALM], env=environment, stdout=out, stderr=out)
    try:
        yield config, keytabs[0], keytabs[1]
    finally:
        server.kill()
        server.wait()


def _properties(world: World, folder: Path, controller: int, broker_keytab: Path) -> dict[str, object]:
    certificate, key = world.authority.issue("kafka")
    both = folder / "broker.pem"
    both.write_text(key.read_text() + certificate.read_text())
    listeners = {
        "PLAIN": (world.plain, "PLAINTEXT"),
        "OAUTH": (world.oauth, "SASL_PLAINTEXT"),
        "KERBEROS": (world.kerberos, "SASL_PLAINTEXT"),
        "TLS": (world.tls, "SSL"),
        "MSK": (world.msk, "SASL_SSL"),
    }
    kafka = "org.apache.kafka.common.security"
    bearer = f"{kafka}.oauthbearer.OAuthBearerLoginModule required;"
    kerberos = "com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true storeKey=true"
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "broker.rack": "zone-a",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join(f"{name}://{at}" for name, (at, _) in listeners.items())
        + f",CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": ",".join(f"{name}://{at}" for name, (at, _) in listeners.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, (_, kind) in listeners.items())
        + ",CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAIN",
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.sasl.jaas.config": bearer,
        "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": f"{kafka}.oauthbearer."
        "OAuthBearerValidatorCallbackHandler",
        "listener.name.oauth.oauthbearer.connections.max.reauth.ms": 3_600_000,  # sessions end with their tokens
        "sasl.oauthbearer.jwt.validator.class": f"{kafka}.oauthbearer.BrokerJwtValidator",
        "sasl.oauthbearer.jwks.endpoint.url": world.issuer.jwks.as_uri(),
        "sasl.oauthbearer.expected.audience": AUDIENCE,
        "sasl.oauthbearer.expected.issuer": "https://issuer.test",
        "sasl.oauthbearer.clock.skew.seconds": 1,
        "listener.name.msk.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.msk.oauthbearer.sasl.jaas.config": bearer,
        "listener.name.msk.oauthbearer.sasl.server.callback.handler.class": "eddy.test.MskValidator",
        "listener.name.kerberos.sasl.enabled.mechanisms": "GSSAPI",
        "listener.name.kerberos.gssapi.sasl.jaas.config": f'{kerberos} keyTab="{broker_keytab}" '
        f'principal="kafka/localhost@{REALM}";',
        "sasl.kerberos.service.name": "kafka",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": both,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": world.authority.ca,
        "listener.name.tls.ssl.client.auth": "required",
        "log.dirs": folder / "log",
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "group.initial.rebalance.delay.ms": 0,
    }


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[World]:
    """Start issuer, KDC and broker; yield their addresses."""
    *ports, controller, token_port, kdc_port = free_ports(8)
    issuer = Issuer(folder, token_port)
    with contextlib.ExitStack() as held:
        held.callback(issuer.close)
        krb5, keytab, broker_keytab = held.enter_context(kdc(folder, kdc_port))
        authority = Authority(folder / "certificates")
        hosts = ("127.0.0.1", "127.0.0.1", "localhost", "127.0.0.1", "127.0.0.1")
        at = [f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)]
        world = World(issuer, authority, krb5, keytab, *at)
        config = folder / "server.properties"
        properties = _properties(world, folder, controller, broker_keytab)
        config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        classes = folder / "classes"
        source = Path(__file__).with_name("MskValidator.java")
        compiler = ["javac", "--release", "17", "-proc:none", "-cp", kafka_classpath(), "-d", str(classes), str(source)]
        compiled = subprocess.run(compiler, capture_output=True, text=True, check=False)
        assert compiled.returncode == 0, compiled.stderr
        java = ["java", "-XX:TieredStopAtLevel=1", "-Xmx384m", f"-Djava.security.krb5.conf={krb5}"]
        java += [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={issuer.jwks.as_uri()}"]
        java += [f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.files={issuer.jwks}"]
        java += [f"-Deddy.test.{name.lower()}={value}" for name, value in AWS.items()]
        java += ["-cp", f"{classes}:{kafka_classpath()}"]
        form = [*java, "kafka.tools.StorageTool", "format", "-t", "EddyTestCluster0000000", "-c", str(config)]
        done = subprocess.run(form, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        with (folder / "out").open("wb") as out:
            server = subprocess.Popen([*java, "kafka.Kafka", str(config)], stdout=out, stderr=out)
        held.callback(server.wait)
        held.callback(server.kill)
        until(lambda: _serves(world.plain), "the broker serves")
        yield world


def _serves(address: str) -> bool:
    try:
        with contextlib.closing(KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=1000)) as client:
            client.create_topics([NewTopic(TOPIC, 1, 1)])
    except KafkaError:
        return False
    return True


def java_client(properties: dict[str, str], folder: Path, environment: dict[str, str], seconds: int = 0) -> Any:
    """Send and read a record each second with the connector's own client; return the finished process."""
    file = folder / "client.properties"
    file.write_text("".join(f"{k}={v.encode('unicode_escape').decode()}\n" for k, v in properties.items()))
    jars = ":".join(map(str, [*(flink_home() / "lib").glob("*.jar"), *flink_jars()]))
    program = str(Path(__file__).with_name("JavaClient.java"))
    return subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", jars, program, str(file), TOPIC, str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
    )
