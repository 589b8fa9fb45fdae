"""Whose events are taken: only those signed with a secret of ours, now, and not changed since in anything."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from pce_pipeline.hooks.signatures import HookSecretMissing, HookSecretRefused, NotSigned, Verifier
from pce_pipeline_tests.hooks.conftest import BODY, KEY, NOON, SECRET, signed

OTHER_KEY = bytes(32)
OTHER_SECRET = f"whsec_{base64.b64encode(OTHER_KEY).decode()}"
VERIFIER = Verifier(SECRET)

bodies = st.one_of(st.just(BODY), st.text().map(str.encode))
ids = st.one_of(st.none(), st.text(st.characters(codec="ascii", exclude_characters="\0\r\n"), min_size=1, max_size=20))


def is_taken(headers: dict[str, str], body: bytes = BODY, now: datetime = NOON) -> bool:
    try:
        VERIFIER.verify(headers, body, now)
    except NotSigned:
        return False
    return True


@given(bodies, ids, st.floats(-300, 300))
def test_what_was_signed_is_taken_with_and_without_an_id(body, event, seconds):
    now = NOON + timedelta(seconds=seconds)
    assert is_taken(signed(body, event=event, at=NOON), body, now)


def test_what_the_librarys_sender_signs_is_taken_and_what_ours_signs_the_library_takes():
    now = datetime.now(UTC)
    sent = Webhook(SECRET).sign("evt_1", now, BODY.decode())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": sent}
    assert is_taken(headers, BODY, now)
    assert Webhook(SECRET).verify(BODY, signed(at=now))["type"] == "bea.release"


def test_the_example_of_the_specification_is_taken():
    body = '{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verifier = Verifier("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    verifier.verify(headers, body.encode(), datetime.fromtimestamp(1614265330, UTC))


@given(ids, st.data())
def test_a_change_of_anything_that_is_signed_is_refused(event, data):
    headers, body = signed(event=event), BODY
    what = data.draw(st.sampled_from(["body", "webhook-id", "webhook-timestamp", "webhook-signature"]))
    if what == "body":
        body = data.draw(st.binary(max_size=len(BODY) + 5))
        assume(body != BODY)
    else:
        before = headers.get(what, "")
        at = data.draw(st.integers(0, len(before)))
        piece = data.draw(st.text(st.characters(codec="ascii"), max_size=3))
        changed = before[:at] + piece + before[at + data.draw(st.integers(0, 3)) :]
        # beside a signature that holds there may be others, apart by spaces
        assume(before not in changed.split(" ") and changed != before)
        headers[what] = changed
    assert not is_taken(headers, body)


@pytest.mark.parametrize(
    "spelled",
    [
        "{0}.0",
        "0{0}",
        "+{0}",
        " {0}",
        "{0} ",
        "{0}e0",
        "1_771_848_000",
        "",
        "nan",
        "-1",
        "9" * 40,
    ],
)
def test_a_timestamp_has_one_spelling(spelled):
    headers = signed()
    headers["webhook-timestamp"] = spelled.format(headers["webhook-timestamp"])
    assert not is_taken(headers)


def test_a_signature_has_one_spelling():
    headers = signed()
    version, _, signature = headers["webhook-signature"].partition(",")
    last = signature[-2]
    # base64 of 32 bytes leaves two bits of the last letter unused
    same_bytes = next(
        letter
        for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        if letter != last and base64.b64decode(signature[:-2] + letter + "=") == base64.b64decode(signature)
    )
    for other in (f"{signature[:-2]}{same_bytes}=", signature.rstrip("="), f"{signature[:5]}!{signature[5:]}"):
        assert not is_taken({**headers, "webhook-signature": f"{version},{other}"})


@pytest.mark.parametrize(
    ("moved", "taken"),
    [
        (timedelta(minutes=5), True),
        (-timedelta(minutes=5), True),
        (timedelta(minutes=5, microseconds=1), False),
        (-timedelta(minutes=5, microseconds=1), False),
        (timedelta(days=1), False),
        (-timedelta(days=1), False),
    ],
)
def test_the_window_is_five_minutes_before_and_after(moved, taken):
    assert is_taken(signed(), now=NOON + moved) is taken


@pytest.mark.parametrize("missing", ["webhook-timestamp", "webhook-signature", "webhook-id"])
def test_what_lacks_a_header_that_was_signed_is_refused(missing):
    headers = signed()
    del headers[missing]
    assert not is_taken(headers)


def test_an_event_without_an_id_cannot_be_given_one():
    assert not is_taken({**signed(event=None), "webhook-id": "evt_2"})
    assert is_taken({**signed(event=None), "webhook-id": ""})


@pytest.mark.parametrize(
    "others",
    ["v1,", "v1", "", "v1a,{other}", "v2,{own}", "{bare}", ",", "v1,===", "v1,ä"],
    ids=lambda text: text or "-",
)
def test_one_good_signature_among_others_is_enough_and_the_others_alone_are_not(others):
    headers, own = signed(), signed()["webhook-signature"]
    said = others.format(other=signed(key=OTHER_KEY)["webhook-signature"][3:], own=own[3:], bare=own[3:])
    for signatures in (f"{said} {own}", f"{own} {said}"):
        assert is_taken({**headers, "webhook-signature": signatures})
    assert not is_taken({**headers, "webhook-signature": said})


def test_while_secrets_change_both_are_good_and_afterwards_the_new_one():
    both, new = Verifier(f"{OTHER_SECRET} {SECRET}"), Verifier(OTHER_SECRET)
    old_sender, new_sender = signed(), signed(key=OTHER_KEY)
    both.verify(old_sender, BODY, NOON)
    both.verify(new_sender, BODY, NOON)
    new.verify(new_sender, BODY, NOON)
    with pytest.raises(NotSigned):
        new.verify(old_sender, BODY, NOON)


@pytest.mark.parametrize("spelled", [SECRET, SECRET.removeprefix("whsec_"), SECRET.rstrip("="), f"  {SECRET}\n"])
def test_a_secret_may_lack_its_prefix_and_its_padding(spelled):
    Verifier(spelled).verify(signed(), BODY, NOON)


@pytest.mark.parametrize(
    ("spelled", "number", "reason"),
    [
        ("whsec_no*base64", 1, "no base64"),
        (f"{SECRET} whsec_é", 2, "no base64"),
        ("whpk_" + SECRET[6:], 1, "no base64"),
        ("whsec_", 1, "0 bytes"),
        ("whsec_" + base64.b64encode(KEY[:23]).decode(), 1, "23 bytes"),
    ],
)
def test_a_secret_that_is_none_is_refused_without_being_shown(spelled, number, reason):
    with pytest.raises(HookSecretRefused, match=reason) as refused:
        Verifier(spelled)
    assert refused.value.number == number
    assert not any(part in str(refused.value) for part in spelled.split() if part != "whsec_")


def test_a_blank_secret_is_none():
    with pytest.raises(HookSecretMissing, match="token_bytes"):
        Verifier(" ")
