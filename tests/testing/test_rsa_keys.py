"""The RSA keys of the tests are as good as any, as long as nobody compares two of them."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256


def test_no_two_keys_are_the_same_and_each_signs_for_itself() -> None:
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(30)]
    assert len({key.public_key().public_numbers().n for key in keys}) == 30
    for key in keys:
        assert (key.key_size, key.public_key().public_numbers().e) == (2048, 65537)
        key.public_key().verify(key.sign(b"x", padding.PKCS1v15(), SHA256()), b"x", padding.PKCS1v15(), SHA256())


def test_a_key_of_another_size_is_made_as_ever() -> None:
    assert rsa.generate_private_key(public_exponent=65537, key_size=3072).key_size == 3072
