"""Create certificates of an authority of our own with openssl, for one run."""

from __future__ import annotations

import subprocess
from pathlib import Path

DAYS = "2"


class Authority:
    """Keep a folder with ``ca.pem``, and certificates that it signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        subject = ["-subj", "/CN=Eddy test authority", "-days", DAYS]
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject, "-keyout", self._key, "-out", self.ca)

    def issue(self, name: str, host: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """Issue a certificate for a host: (certificate, unencrypted PKCS#8 key)."""
        certificate, key, asked = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", asked)
        signed_by = ["-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", DAYS, "-extfile", extensions]
        _openssl("x509", "-req", "-in", asked, *signed_by, "-out", certificate)
        return certificate, key


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
