"""The TLS of virtual charge points: which roots they trust, and which certificate they show."""

import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.simulator.errors import SimulatorError

_IDENTITY = "{identity}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of the command line. `{identity}` in a path of certificate or key becomes the identity.

    ca_file: roots of the central system in PEM; None: those of the operating system.
    """

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def own(self, identity: str) -> tuple[str, str] | None:
        """Return the chain and the key of a charge point in PEM; None: it has none.

        Raises:
            SimulatorError: a file cannot be read.
        """
        if self.certificate is None or self.key is None:
            return None
        return (
            _read(self.certificate, identity, "--certificate"),
            _read(self.key, identity, "--key"),
        )


class TlsContexts:
    """Makes the contexts of a fleet. Charge points without further roots and certificates share one."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._shared: ssl.SSLContext | None = None

    def shared(self) -> ssl.SSLContext:
        """Return the context without a certificate.

        Raises:
            SimulatorError: the file of the roots is wrong.
        """
        if self._shared is None:
            self._shared = self._context(())
        return self._shared

    def own(self, roots: Sequence[str], chain: str | None, key: str | None) -> ssl.SSLContext:
        """Return a context that trusts further roots, and shows a certificate. All of them in PEM.

        Raises:
            SimulatorError: one of them is wrong.
        """
        if not roots and chain is None:
            return self.shared()
        context = self._context(roots)
        if chain is not None and key is not None:
            _show(context, chain, key)
        return context

    def _context(self, roots: Sequence[str]) -> ssl.SSLContext:
        ca_file = self._files.ca_file
        try:
            context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
            for root in roots:
                context.load_verify_locations(cadata=root)
        except (OSError, ssl.SSLError) as error:
            raise SimulatorError(
                f"--ca-file: {ca_file}: {error.strerror or 'no certificate in PEM'}"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _show(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Load a certificate. `ssl` takes files only, so one exists for a moment, for its owner alone."""
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{key.rstrip()}\n{chain.rstrip()}\n")
        context.load_cert_chain(path)
    except (OSError, ValueError, ssl.SSLError):
        raise SimulatorError("--certificate and --key do not belong together, or are not PEM") from None
    finally:
        Path(path).unlink(missing_ok=True)


def _read(path: Path, identity: str, option: str) -> str:
    named = Path(str(path).replace(_IDENTITY, identity))
    try:
        return named.read_text(encoding="ascii")
    except OSError as error:
        raise SimulatorError(f"{option}: {named}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SimulatorError(f"{option}: {named} is not PEM") from None
