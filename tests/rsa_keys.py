"""RSA keys for tests: all different, and most of them made of primes that other keys have, too.

To find two primes takes twenty times as long as all else of a key, and the tests make hundreds of keys. Whoever has two
keys that share a prime can take both apart, which no test does.
"""

from __future__ import annotations

import threading
from collections import deque

from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["share_primes"]

EXPONENT, BITS = 65537, 2048

_generate = rsa.generate_private_key
_lock = threading.Lock()
_primes: list[int] = []
_pairs: deque[tuple[int, int]] = deque()


def share_primes() -> None:
    """Have `rsa.generate_private_key` make keys in this way, in this process."""
    rsa.generate_private_key = _generated


def _generated(public_exponent: int, key_size: int, backend: object = None) -> rsa.RSAPrivateKey:
    if (public_exponent, key_size) != (EXPONENT, BITS):
        return _generate(public_exponent, key_size)
    with _lock:
        if _pairs:
            return _of(*_pairs.popleft())
        key = _generate(EXPONENT, BITS)
        numbers = key.private_numbers()
        _pairs.extend((one, other) for one in (numbers.p, numbers.q) for other in _primes)
        _primes.extend((numbers.p, numbers.q))
        return key


def _of(p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(EXPONENT, -1, (p - 1) * (q - 1))
    parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, *parts, rsa.RSAPublicNumbers(EXPONENT, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)
