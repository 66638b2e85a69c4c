"""Reads a JSON body whose numbers must not be rounded: `21.4` is 214 tenths, `21.45` is refused.

Numbers are read as decimals instead of binary fractions, so the check sees what the caller wrote.
"""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_plain_validator_function

from app.web.json_body import Model, refuse_doubled_members, unstorable
from app.web.problems import MalformedBody, body_errors
from app.web.wording import INTEGER_DIGITS


def read_exactly(model: type[Model], content: bytes) -> Model:
    """Read the body of a request as `model`, its numbers exactly. A large one takes a tenth of a second.

    Raises:
        MalformedBody: it is not JSON.
        InvalidInput: the model refuses it; names each member that breaks a rule.
    """
    try:
        text = content.decode()
        refuse_doubled_members(content)
        value = json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=Decimal)
    except (ValueError, RecursionError):
        raise MalformedBody(content) from None
    if "\\u" in text and (refusal := unstorable(content)):
        raise refusal
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise body_errors(error) from None


@dataclass(frozen=True, slots=True)
class Tenths:
    """Annotates an `int`: a number with at most one decimal place, stored as its number of tenths.

    Args:
        lowest: the least number, as the caller writes it.
        highest: the greatest number, as the caller writes it.
        description: what OpenAPI says of it.
    """

    lowest: float
    highest: float
    description: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate it with `read` alone."""
        return no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Describe what callers write."""
        return {
            "type": "number",
            "minimum": self.lowest,
            "maximum": self.highest,
            "description": f"{self.description}; at most one decimal place.",
        }

    def read(self, value: object) -> int:
        """Return the tenths.

        Raises:
            PydanticCustomError: it is not a number, out of bounds, or has more decimal places.
        """
        # A float is a default of ours: a body has none.
        number = Decimal(str(value)) if isinstance(value, float) else value
        if isinstance(number, bool) or not isinstance(number, int | Decimal):
            raise PydanticCustomError("number_type", "is not a number")
        return _tenths(Decimal(number), Decimal(str(self.lowest)), Decimal(str(self.highest)))


def has_hundredths(number: Decimal) -> bool:
    """Say whether a finite number has more than one decimal place."""
    _, digits, exponent = number.as_tuple()
    # Without arithmetic, which would round to the precision of the context.
    below = -1 - int(exponent)
    return below > 0 and any(digits[-below:])


def _tenths(number: Decimal, least: Decimal, most: Decimal) -> int:
    if not number.is_finite():
        raise PydanticCustomError("finite_number", "is not a finite number")
    if number < least:
        raise PydanticCustomError("greater_than_equal", "is less than {ge}", {"ge": str(least)})
    if number > most:
        raise PydanticCustomError("less_than_equal", "is more than {le}", {"le": str(most)})
    if has_hundredths(number):
        raise PydanticCustomError("too_many_decimals", "has more than one decimal place")
    negative, digits, exponent = number.as_tuple()
    below = -1 - int(exponent)
    if below > 0:
        size = int("".join(map(str, digits[:-below])) or "0")
    else:
        size = int("".join(map(str, digits))) * 10**-below if any(digits) else 0
    return -size if negative else size


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        # An exponent beyond all bounds.
        return Decimal("NaN")


def _integer(text: str) -> int | Decimal:
    """Read an integer. One that no member can hold becomes a decimal, which members refuse."""
    return int(text) if len(text) <= INTEGER_DIGITS else Decimal(text)
