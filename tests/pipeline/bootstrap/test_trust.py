from pathlib import Path

import pytest

from pipeline.bootstrap.trust import NotTrusted, approvals, approve, is_trusted, require_trust
from pipeline.errors import BadInput

DIGEST = "a" * 64


def test_nothing_is_trusted_at_first(own_trust_file: Path) -> None:
    assert not is_trusted(DIGEST)
    assert not own_trust_file.exists()
    with pytest.raises(NotTrusted, match="masksmith models trust btcv") as caught:
        require_trust(DIGEST, "btcv")
    assert caught.value.exit_code == 5


def test_an_approval_stays_and_holds_for_its_digest_alone(own_trust_file: Path) -> None:
    first = approve(DIGEST, "btcv")
    require_trust(DIGEST, "btcv")
    assert not is_trusted("b" * 64)
    assert approve(DIGEST, "other") == first
    approve("b" * 64, "verse")
    assert {digest: approval.model for digest, approval in approvals().items()} == {
        DIGEST: "btcv",
        "b" * 64: "verse",
    }


def test_a_spoilt_file_is_named_and_trusts_nothing(own_trust_file: Path) -> None:
    own_trust_file.write_text('{"approved": [{"digest": 1}]}')
    with pytest.raises(BadInput, match="is not a list of approvals"):
        is_trusted(DIGEST)
