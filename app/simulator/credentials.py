"""The passwords and certificates of virtual charge points, kept in a file that only its owner can read.

The central system shows a password once, so the simulator keeps it.
"""

import json
import os
from pathlib import Path

from app.simulator.errors import SimulatorError


class CredentialFile:
    """A JSON file with passwords and certificates by identity. It is replaced as a whole, with mode 0600."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            SimulatorError: it exists, but cannot be read.
        """
        self._path = path
        self._passwords: dict[str, str] = {}
        self._certificates: dict[str, list[str]] = {}
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except OSError as error:
            raise SimulatorError(f"credentials file {path}: {error.strerror}") from None
        try:
            found = json.loads(text)
            self._passwords = dict(found["passwords"])
            self._certificates = dict(found.get("certificates", {}))
        except (ValueError, KeyError, TypeError):
            raise SimulatorError(f"credentials file {path} is damaged; delete it to start again") from None

    def password(self, identity: str) -> str | None:
        """Return the password of a charge point; None if it is not in the file."""
        return self._passwords.get(identity)

    def certificate(self, identity: str) -> tuple[str, str] | None:
        """Return the chain and the key of a charge point in PEM; None if they are not in the file."""
        found = self._certificates.get(identity)
        return None if found is None else (found[0], found[1])

    def remember_certificate(self, identity: str, chain: str, key: str) -> None:
        """Add a certificate and write the file at once.

        Raises:
            SimulatorError: it cannot be written.
        """
        self._certificates[identity] = [chain, key]
        self._write()

    def remember(self, passwords: dict[str, str]) -> None:
        """Add passwords and write the file at once.

        Raises:
            SimulatorError: it cannot be written.
        """
        self._passwords.update(passwords)
        self._write()

    def _write(self) -> None:
        content: dict[str, object] = {"passwords": self._passwords}
        if self._certificates:
            content["certificates"] = self._certificates
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1, sort_keys=True)
            temporary.replace(self._path)
        except OSError as error:
            raise SimulatorError(f"credentials file {self._path}: {error.strerror}") from None
