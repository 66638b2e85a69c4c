"""Types and examples that several shapes share."""

from typing import Annotated, Final

from fastapi import Path
from pydantic import Field, StringConstraints

from app.web.inputs import DIGITS
from app.web.wording import INSTALLED_ID_PATTERN, PEM_PATTERN, SERIAL_PATTERN

ORGANIZATION_LIMIT: Final = 64
"""Characters of an organisation in a certificate (RFC 5280, ub-organization-name)."""
TEXT_LIMIT: Final = 50_000

Pem = Annotated[str, StringConstraints(pattern=PEM_PATTERN, max_length=TEXT_LIMIT)]

NumberPath = Annotated[int, Field(ge=1, le=2**63 - 1), DIGITS, Path(examples=[1])]
SerialPath = Annotated[
    str,
    Path(
        pattern=SERIAL_PATTERN,
        description="Serial number in hexadecimal digits; upper and lower case are the same.",
        examples=["4a2b9c1d"],
    ),
]
InstalledIdPath = Annotated[
    str,
    Path(
        pattern=INSTALLED_ID_PATTERN,
        description="Id in the list of installed certificates.",
        examples=["9f86d081884c7d659a2feaa0c55ad015"],
    ),
]

EXAMPLE_PEM: Final = (
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbzCCARWgAwIBAgIUMhuMz2B4e5Ya1A2MOAIBB1erHaIwCgYIKoZIzj0EAwIw\n"
    "LDEWMBQGA1UECgwNQWNtZSBDaGFyZ2luZzESMBAGA1UEAwwJQWNtZSBSb290MCAX\n"
    "DTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAsMRYwFAYDVQQKDA1BY21l\n"
    "IENoYXJnaW5nMRIwEAYDVQQDDAlBY21lIFJvb3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAAQbqO3WtnqnwsX0J076+jp5Jxar7laGdriKZbunjsWc1pHa8ME8kr8g\n"
    "RD46ULLvj/1/yNbc91ZNYT5w1WNv4qfWoxMwETAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0gAMEUCIQCW0Iz1oxg3iX2v9IhymM5ljV5Fs/wYbmg60helawP6\n"
    "3wIgYTnbQBH6BS5r2OS2XRcKHfuIOP31UG7XgQ6aEHmEZGQ=\n"
    "-----END CERTIFICATE-----\n"
)
EXAMPLE_CSR: Final = (
    "-----BEGIN CERTIFICATE REQUEST-----\nMIHhMIGJAgEAMCcxDzANBgNVBAoMBg==\n"
    "-----END CERTIFICATE REQUEST-----\n"
)
EXAMPLE_BEGIN: Final = "2026-05-04T08:05:30.000Z"
EXAMPLE_END: Final = "2027-05-04T08:05:30.000Z"
EXAMPLE_SERIAL: Final = "5c1f0a7be2d94c3388a1f07e6b5d4c3b2a190817"
