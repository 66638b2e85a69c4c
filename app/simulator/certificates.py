"""The certificates of a virtual charge point (security whitepaper A02, A03, M03 to M05).

Root certificates are installed, listed and deleted; its own is signed by the central system. The cryptography
is in `certificate_keys`, which is loaded at the first use.
"""

from typing import Any, Final, Literal

from app.simulator.station import VirtualStation

Json = dict[str, Any]
Use = Literal["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
_CENTRAL: Final = "CentralSystemRootCertificate"


class VirtualCertificates:
    """The roots in PEM by their use, the own chain with its key, and the key of a request under way."""

    __slots__ = ("_pending_key", "_station", "chain", "is_new", "key", "roots")

    def __init__(self, station: VirtualStation) -> None:
        self.roots: dict[str, list[str]] = {}
        self.chain: str | None = None
        self.key: str | None = None
        self.is_new = False
        """Whether the client has yet to take over the chain and its key."""
        self._pending_key: str | None = None
        self._station = station

    @property
    def central_roots(self) -> tuple[str, ...]:
        """Return the installed roots that verify the central system, in PEM."""
        return tuple(self.roots.get(_CENTRAL, ()))

    def adopt(self, chain: str, key: str) -> None:
        """Take a certificate that was given from outside, not by the central system."""
        self.chain, self.key = chain, key

    def install(self, payload: Json) -> Json:
        """Answer InstallCertificate (5.11)."""
        from app.simulator import certificate_keys

        pem = payload["certificate"]
        if not certificate_keys.is_root(pem, self._station.agenda.time()):
            self._station.security_event("InvalidCentralSystemCertificate")
            return {"status": "Rejected"}
        installed = self.roots.setdefault(payload["certificateType"], [])
        if pem in installed:
            return {"status": "Accepted"}
        most = self._station.configuration.integer("CertificateStoreMaxLength")
        if sum(len(roots) for roots in self.roots.values()) >= most:
            return {"status": "Rejected"}
        installed.append(pem)
        return {"status": "Accepted"}

    def delete(self, payload: Json) -> Json:
        """Answer DeleteCertificate (5.3). The last root of the central system stays on profiles 2 and 3."""
        from app.simulator import certificate_keys

        wanted = payload["certificateHashData"]
        for use, installed in self.roots.items():
            for pem in installed:
                if certificate_keys.is_meant(pem, wanted):
                    is_last = use == _CENTRAL and len(installed) == 1
                    if is_last and self._station.configuration.integer("SecurityProfile") > 1:
                        return {"status": "Failed"}
                    installed.remove(pem)
                    return {"status": "Accepted"}
        return {"status": "NotFound"}

    def installed_ids(self, payload: Json) -> Json:
        """Answer GetInstalledCertificateIds (5.7)."""
        installed = self.roots.get(payload["certificateType"], [])
        if not installed:
            return {"status": "NotFound"}
        from app.simulator import certificate_keys

        return {
            "status": "Accepted",
            "certificateHashData": [certificate_keys.hash_data(pem) for pem in installed],
        }

    def ask_for_own(self) -> None:
        """Make a key, and ask for a certificate by SignCertificate (A02)."""
        from app.simulator import certificate_keys

        organization = self._station.configuration.text("CpoName")
        request = certificate_keys.signing_request(self._station.persona.identity, organization)
        self._pending_key = request.key
        self._station.report("SignCertificate", {"csr": request.pem})

    def signed(self, payload: Json) -> Json:
        """Answer CertificateSigned (5.1): take the chain if it is of the key that was made for it."""
        from app.simulator import certificate_keys

        chain, key = payload["certificateChain"], self._pending_key
        limit = self._station.configuration.integer("CertificateSignedMaxChainSize")
        identity, now = self._station.persona.identity, self._station.agenda.time()
        if key is None or len(chain) > limit or not certificate_keys.fits(chain, key, identity, now):
            self._station.security_event("InvalidChargePointCertificate")
            return {"status": "Rejected"}
        self.chain, self.key, self._pending_key, self.is_new = chain, key, None, True
        if self._station.configuration.integer("SecurityProfile") == 3:
            # The new certificate is used from the next connection on (A02.FR.08).
            self._station.agenda.after(1.0, self._station.reconnect)
        return {"status": "Accepted"}
