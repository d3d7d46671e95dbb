"""The digits that RapidJSON prints: Grisu2, whose result reads back as the same double but may not be the nearest one.

Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers" (2010). TensorFlow Serving
quotes numbers so in its errors.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import NamedTuple

_BITS = 64
_FIRST_POWER, _STEP = -348, 8
"""The powers of ten that are known are 10^-348, 10^-340, ..., 10^340."""
_FINEST = -9
"""From so many digits behind the point on RapidJSON 1.1.0 does not move the result toward the middle."""
_LOG10_OF_2 = 0.30102999566398114


class _Float(NamedTuple):
    """significand * 2^exponent, of 64 bits."""

    significand: int
    exponent: int

    def times(self, other: _Float) -> _Float:
        product = self.significand * other.significand + (1 << (_BITS - 1))
        return _Float(product >> _BITS, self.exponent + other.exponent + _BITS)

    def normalized(self) -> _Float:
        shift = _BITS - self.significand.bit_length()
        return _Float(self.significand << shift, self.exponent - shift)


def digits(value: float) -> tuple[str, int]:
    """Digits and exponent of a positive finite double: digits * 10^exponent."""
    mantissa, exponent = math.frexp(value)
    binary = _Float(int(mantissa * 2**53), exponent - 53)
    if binary.exponent < -1074:  # denormal: fewer bits, no hidden one
        binary = _Float(binary.significand >> (-1074 - binary.exponent), -1074)
    upper = _Float(2 * binary.significand + 1, binary.exponent - 1).normalized()
    is_power = binary.significand == 1 << 52
    lower = _Float(
        4 * binary.significand - 1 if is_power else 2 * binary.significand - 1, binary.exponent - (2 if is_power else 1)
    )
    lower = _Float(lower.significand << (lower.exponent - upper.exponent), upper.exponent)
    power, decimal = _cached_power(upper.exponent)
    middle = binary.normalized().times(power)
    high = upper.times(power).significand - 1
    low = lower.times(power).significand + 1
    return _generate(middle, high, high - low, decimal)


def _generate(middle: _Float, high: int, delta: int, decimal: int) -> tuple[str, int]:
    """As few digits of `high` as stay within delta, then moved toward the middle."""
    shift = -middle.exponent
    one = 1 << shift
    away = high - middle.significand
    whole, rest = high >> shift, high & (one - 1)
    found = ""
    for kappa in reversed(range(len(str(whole)))):
        digit, whole = divmod(whole, 10**kappa)
        found += str(digit) if digit or found else ""
        left = (whole << shift) + rest
        if left <= delta:
            return _rounded(found, delta, left, 10**kappa << shift, away), decimal + kappa
    kappa = 0
    while True:
        rest, delta, kappa = 10 * rest, 10 * delta, kappa - 1
        digit, rest = rest >> shift, rest & (one - 1)
        found += str(digit) if digit or found else ""
        if rest < delta:
            return _rounded(found, delta, rest, one, away * 10**-kappa if kappa > _FINEST else 0), decimal + kappa


def _rounded(found: str, delta: int, rest: int, unit: int, away: int) -> str:
    last = int(found[-1])
    while rest < away and delta - rest >= unit and (rest + unit < away or away - rest > rest + unit - away):
        last, rest = last - 1, rest + unit
    return found[:-1] + str(last)


def _cached_power(exponent: int) -> tuple[_Float, int]:
    """The power of ten that brings numbers of this exponent to between 2^-60 and 2^-32, and its decimal exponent."""
    estimate = (-61 - exponent) * _LOG10_OF_2 - _FIRST_POWER - 1
    index = (math.ceil(estimate) >> 3) + 1
    decimal = _FIRST_POWER + _STEP * index
    return _power_of_ten(decimal), -decimal


@cache
def _power_of_ten(decimal: int) -> _Float:
    """Rounded to 64 bits."""
    exact = Fraction(10) ** decimal
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length() - _BITS
    while not 2 ** (_BITS - 1) <= round(exact / Fraction(2) ** exponent) < 2**_BITS:
        exponent += 1 if exact / Fraction(2) ** exponent >= 2**_BITS else -1
    return _Float(round(exact / Fraction(2) ** exponent), exponent)
