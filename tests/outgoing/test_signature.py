"""Signatures of Standard Webhooks, and the storage of their secrets."""

import base64

from app.outgoing.signature import SecretCipher, new_secret, signature_headers
from app.types import TenantId


def test_a_message_is_signed_as_the_published_example() -> None:
    """The example of the reference libraries of Standard Webhooks."""
    headers = signature_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_secret_signs_while_one_is_replaced() -> None:
    old, new = new_secret(), new_secret()
    one = signature_headers("m", 1, b"{}", [new])["webhook-signature"]
    other = signature_headers("m", 1, b"{}", [old])["webhook-signature"]
    assert signature_headers("m", 1, b"{}", [new, old])["webhook-signature"] == f"{one} {other}"


def test_a_secret_is_random_and_long() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(
        len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32 for secret in secrets
    )


def test_a_stored_secret_is_for_its_tenant_and_its_server() -> None:
    secret = new_secret()
    cipher = SecretCipher("pepper")
    stored = cipher.encrypt(TenantId(1), secret)
    assert secret.encode() not in stored
    assert cipher.decrypt(TenantId(1), stored) == secret
    assert cipher.decrypt(TenantId(2), stored) is None
    assert SecretCipher("another").decrypt(TenantId(1), stored) is None
    assert cipher.decrypt(TenantId(1), stored[:20]) is None
