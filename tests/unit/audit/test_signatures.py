"""The checker's own Ed25519 against the vectors of RFC 8032, and against the library that signs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.audit.proofs.signing import Signer
from tests.unit.audit.sum_trees import checker

MODULE = checker()

RFC_8032 = {
    "test 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    "test 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    "test 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    "test SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
}
ORDER = 2**252 + 27742317777372353535851937790883648493


def parts(name: str) -> tuple[bytes, bytes, bytes]:
    key, message, signature = map(bytes.fromhex, RFC_8032[name])
    return key, message, signature


@pytest.mark.parametrize("name", RFC_8032)
def test_the_vectors_of_rfc_8032_hold(name: str) -> None:
    assert MODULE.signed(*parts(name))


@pytest.mark.parametrize("name", RFC_8032)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_no_bit_may_change(name: str, part: int) -> None:
    given_parts = [bytearray(each) for each in parts(name)]
    if not given_parts[part]:
        given_parts[part] = bytearray(b"\x00")
    else:
        given_parts[part][len(given_parts[part]) // 2] ^= 4
    assert not MODULE.signed(*map(bytes, given_parts))


def test_an_answer_beyond_the_order_is_refused() -> None:
    key, message, signature = parts("test 2")
    more = int.from_bytes(signature[32:], "little") + ORDER
    assert not MODULE.signed(key, message, signature[:32] + more.to_bytes(32, "little"))


@pytest.mark.parametrize("key", [b"", b"\xff" * 32, b"\x02" + bytes(31), bytes(33)])
def test_what_is_no_point_is_no_key(key: bytes) -> None:
    assert not MODULE.signed(key, b"", parts("test 1")[2])


@pytest.mark.parametrize("length", [0, 31, 63, 65])
def test_a_signature_has_64_bytes(length: int) -> None:
    key, message, signature = parts("test 1")
    assert not MODULE.signed(key, message, (signature + b"\x00")[:length])


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_what_the_ledger_signs_holds_and_nothing_else(seed: bytes, message: bytes) -> None:
    signer = Signer(seed)
    signature = signer.sign(message)
    assert MODULE.signed(signer.key, message, signature)
    assert not MODULE.signed(signer.key, message + b"\x00", signature)
    assert not MODULE.signed(Signer(bytes(32)).key, message, signature) or seed == bytes(32)
