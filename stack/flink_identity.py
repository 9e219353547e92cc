"""Make the key and certificate with which the local stack's Flink and its clients recognise each other.

Flink has no user accounts. With mutual TLS its REST API, its RPC and its blob server take nothing from a process that
has not this key: no web page that a browser opens on this machine, no other user. One self-signed certificate serves
and trusts itself; it is made once for a data folder, and only the folder's user can read the key.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from eddy.errors import StackError
from eddy.flink_rest import CERTIFICATE, KEY, KEYSTORE, PASSWORD
from eddy.stack import whole_files

_HOSTS = "hosts"  # the file that says for which addresses the certificate is
_CURVE = "ec_paramgen_curve:P-256"
_CIPHER = "TLS_AES_128_GCM_SHA256"
#: valid at whatever time a machine's clock shows: the clock may be wrong when it is made, or be set back later
_FROM, _TO = "20000101000000Z", "20991231235959Z"
#: openssl's 'ca' command is the only one of version 3.0 that takes a date to begin with, and it wants a database
_OPENSSL = """\
[ca]
default_ca = here
[here]
dir = {folder}
database = $dir/index
rand_serial = yes
new_certs_dir = $dir
default_md = sha256
policy = any
x509_extensions = both
unique_subject = no
[any]
commonName = supplied
[both]
subjectAltName = {hosts}
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
extendedKeyUsage = serverAuth, clientAuth
[req]
distinguished_name = name
[name]
"""


def present(folder: Path, host: str) -> Path:
    """Return the folder of key and certificate, after making them if there are none for this address.

    Args:
        folder: where they are kept; it is made for this user alone.
        host: on which Flink listens.

    Raises:
        StackError: openssl is missing or fails.
    """
    hosts = ", ".join(dict.fromkeys([_alternative(host), "IP:127.0.0.1", "DNS:localhost"]))
    said = folder / _HOSTS  # written last: what a crash left half made is made again
    if not said.exists() or said.read_text(encoding="utf-8") != hosts:
        _make(folder, hosts)
    return folder


def options(folder: Path, *, internal: bool = True) -> dict[str, object]:
    """Return Flink's settings for mutual TLS with the key in a folder.

    Args:
        folder: what :func:`present` made.
        internal: for a cluster's processes, also between them; without, for its clients.

    Raises:
        StackError: the folder lacks a file.
    """
    for name in (KEYSTORE, PASSWORD):
        if not (folder / name).is_file():
            raise StackError(f"{folder} has no {name}; Java reads key and certificate from there")
    password = (folder / PASSWORD).read_text(encoding="utf-8").strip()
    found: dict[str, object] = {
        "security.ssl.protocol": "TLSv1.3",
        "security.ssl.algorithms": _CIPHER,
        "security.ssl.rest.enabled": True,
        "security.ssl.rest.authentication-enabled": True,
    }
    if internal:
        found["security.ssl.internal.enabled"] = True
    for place in ("rest", "internal") if internal else ("rest",):
        found |= {
            f"security.ssl.{place}.keystore": str(folder / KEYSTORE),
            f"security.ssl.{place}.keystore-password": password,
            f"security.ssl.{place}.key-password": password,
            f"security.ssl.{place}.truststore": str(folder / KEYSTORE),  # Java trusts the certificates of its own keys
            f"security.ssl.{place}.truststore-password": password,
        }
    return found


def _alternative(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _make(folder: Path, hosts: str) -> None:
    """Make all files in a new folder, which then takes the place of the old one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # with mode 0700
    try:
        for name, text in {
            "openssl.cnf": _OPENSSL.format(folder=work, hosts=hosts),
            "index": "",
            PASSWORD: secrets.token_hex(16),
        }.items():
            whole_files.write(work / name, text, private=True)
        config = ["-config", str(work / "openssl.cnf")]
        key, certificate, request = work / KEY, work / CERTIFICATE, work / "request"
        _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", _CURVE, "-out", key)
        _openssl("req", "-new", *config, "-subj", "/CN=eddy", "-key", key, "-out", request)
        _openssl("ca", *config, "-batch", "-notext", "-selfsign", "-keyfile", key, "-startdate", _FROM, "-enddate", _TO,
                 "-in", request, "-out", certificate)  # fmt: skip
        kept = ["-inkey", key, "-in", certificate, "-name", "eddy", "-passout", f"file:{work / PASSWORD}"]
        _openssl("pkcs12", "-export", *kept, "-out", work / KEYSTORE)
        for file in sorted(set(work.iterdir()) - {work / name for name in (KEY, CERTIFICATE, KEYSTORE, PASSWORD)}):
            file.unlink()
        whole_files.write(work / _HOSTS, hosts, private=True)
        shutil.rmtree(folder, ignore_errors=True)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _openssl(*arguments: object) -> None:
    mask = ["/bin/sh", "-c", 'umask 077; exec openssl "$@"', "openssl"]  # for the files that it writes
    command = [*mask, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "RANDFILE": ""})
    if done.returncode == 127:
        message = "openssl is not installed; on Debian or Ubuntu: apt-get install openssl"
        raise StackError(message)
    if done.returncode:
        raise StackError(f"openssl {arguments[0]} failed with code {done.returncode}: {done.stderr.strip()[-500:]}")
