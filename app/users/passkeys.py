"""The use cases of passkeys (W3C Web Authentication): add one, log in by one, delete one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.clock import Clock
from app.database.database import Database
from app.errors import Conflict, FieldViolation, InvalidInput, NotFound, Unauthorized
from app.metrics import LIMITS_HIT
from app.settings import Settings
from app.users.challenges import new_challenge, opened_challenge
from app.users.records import FoundPasskey, NewLogin, NewPasskey, PasskeyRecord, SignedIn
from app.users.service import LoginService, note_act
from app.users.store import LoginStore, UserStore

_PRODUCT: Final = "Stationmaster"
_LONGEST_NAME: Final = 100
_LOGIN: Final = "passkey-login"
_REFUSED: Final = "This passkey is not known here, or was not confirmed in time. Try again."


@dataclass(frozen=True, slots=True)
class Options:
    """A question to a browser. text: JSON of the standard; sealed: the challenge, for a cookie."""

    text: str
    sealed: str


@dataclass(frozen=True, slots=True)
class PasskeyService:
    """The passkeys of people. An origin is the scheme and the host as the browser sees them.

    A browser gives a passkey to the host only for which it was made, and signs the origin.
    """

    database: Database
    clock: Clock
    settings: Settings
    logins: LoginService

    async def list(self, person: SignedIn) -> Sequence[PasskeyRecord]:
        """Return the person's own passkeys, the oldest first."""
        async with self.database.tenant(person.tenant_id) as work:
            return await UserStore(work).passkeys(person.user.id)

    async def creation_options(self, person: SignedIn, origin: str) -> Options:
        """Return what the browser is to make.

        Raises:
            Conflict: the person has as many passkeys as one may have.
        """
        known = await self.list(person)
        self._check_number(known)
        challenge = new_challenge(self.settings.credential_pepper, _purpose(person), self.clock.now())
        options = generate_registration_options(
            rp_id=_host(origin),
            rp_name=_PRODUCT,
            user_id=f"{person.tenant_id}:{person.user.id}".encode(),
            user_name=f"{person.user.name} ({person.tenant_slug})",
            challenge=challenge.value,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in known],
        )
        return Options(options_to_json(options), challenge.sealed)

    async def add(self, person: SignedIn, origin: str, sealed: str, credential: str, name: str) -> None:
        """Keep a passkey that the browser has made.

        Args:
            person: Whose.
            origin: Of the page.
            sealed: The challenge of `creation_options`.
            credential: The browser's answer as JSON.
            name: By which the person knows it.

        Raises:
            InvalidInput: the answer does not fit the challenge, or is not valid.
            Conflict: the person has as many passkeys as one may have, or the passkey is known.
        """
        pepper, now = self.settings.credential_pepper, self.clock.now()
        challenge = opened_challenge(pepper, _purpose(person), sealed, now)
        if challenge is None:
            raise _refused()
        try:
            found = verify_registration_response(
                credential=credential,
                expected_challenge=challenge.value,
                expected_rp_id=_host(origin),
                expected_origin=origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError):
            raise _refused() from None
        passkey = NewPasskey(
            found.credential_id,
            found.credential_public_key,
            found.sign_count,
            name.strip()[:_LONGEST_NAME] or "Passkey",
        )
        async with self.database.tenant(person.tenant_id) as work:
            store = UserStore(work)
            await store.by_name(person.user.name, to_change=True)
            self._check_number(await store.passkeys(person.user.id))
            await store.add_passkey(person.user.id, passkey, now)
            await note_act(work, now, person.actor, "add_passkey", person.user.name, {"name": passkey.name})

    async def delete(self, person: SignedIn, number: int) -> None:
        """Delete one of the person's own passkeys.

        Raises:
            NotFound: the person has none of this number.
        """
        async with self.database.tenant(person.tenant_id) as work:
            name = await UserStore(work).delete_passkey(person.user.id, number)
            if name is None:
                raise NotFound("There is no such passkey.")
            now = self.clock.now()
            await note_act(work, now, person.actor, "delete_passkey", person.user.name, {"name": name})

    def login_options(self, origin: str) -> Options:
        """Return what a browser is to sign. It offers the passkeys that it has for the host."""
        challenge = new_challenge(self.settings.credential_pepper, _LOGIN, self.clock.now())
        options = generate_authentication_options(
            rp_id=_host(origin),
            challenge=challenge.value,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return Options(options_to_json(options), challenge.sealed)

    async def log_in(self, origin: str, sealed: str, credential: str, address: str) -> NewLogin:
        """Log in by a passkey.

        Args:
            origin: Of the page.
            sealed: The challenge of `login_options`.
            credential: The browser's answer as JSON.
            address: Of the client; failed logins count for it.

        Raises:
            Unauthorized: the passkey is not known, or the answer is not valid.
            TooManyRequests: too many logins from this address have failed.
        """
        self.logins.refuse_flood_of(address)
        now = self.clock.now()
        challenge = opened_challenge(self.settings.credential_pepper, _LOGIN, sealed, now)
        found = None if challenge is None else await self._found(credential)
        sign_count = None
        if challenge is not None and found is not None:
            sign_count = _new_sign_count(origin, challenge.value, credential, found.passkey)
        if challenge is None or found is None or sign_count is None:
            self.logins.count_failure_of(address)
            raise Unauthorized(_REFUSED)
        async with self.database.tenant(found.user.tenant_id) as work:
            if not await UserStore(work).use_passkey(found.passkey.id, sign_count, challenge.made_at, now):
                raise Unauthorized(_REFUSED)
        return await self.logins.begin(found.user, found.tenant_slug, "passkey")

    async def _found(self, credential: str) -> FoundPasskey | None:
        try:
            credential_id = parse_authentication_credential_json(credential).raw_id
        except (WebAuthnException, ValueError):
            return None
        async with self.database.platform() as work:
            return await LoginStore(work).passkey(credential_id)

    def _check_number(self, known: Sequence[PasskeyRecord]) -> None:
        limit = self.settings.passkeys_per_user_limit
        if len(known) >= limit:
            LIMITS_HIT.labels("passkeys").inc()
            raise Conflict(f"You have {limit} passkeys already: delete one first.")


def _purpose(person: SignedIn) -> str:
    return f"passkey-creation:{person.csrf_token}"


def _refused() -> InvalidInput:
    detail = "was not confirmed in time, or is not valid: try again"
    return InvalidInput([FieldViolation("/credential", "not_a_passkey", detail)])


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _new_sign_count(origin: str, challenge: bytes, credential: str, passkey: PasskeyRecord) -> int | None:
    """Return the counter of a valid answer (Web Authentication 7.2); None: it is not valid."""
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_host(origin),
            expected_origin=origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError):
        return None
    return verified.new_sign_count
