"""Use cases of certificates. `ClientCertificateTrust` is what TLS asks about client certificates."""

from app.certificates.service.trust import ClientCertificateTrust

__all__ = ["ClientCertificateTrust"]
