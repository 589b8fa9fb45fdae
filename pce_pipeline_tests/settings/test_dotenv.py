"""One grammar of `.env`: what python-dotenv reads, without what it passes over in silence."""

import io
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from infra.provisioning.errors import UsageRefused
from infra.provisioning.options import known_variables
from pce_pipeline.variables import Dotenv, parse_dotenv, read_dotenv


def parsed(body: bytes, **environment: str) -> Dotenv:
    return parse_dotenv(body, ".env", environment)


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"", {}),
        (b"# a comment\n\n  \n", {}),
        (b"\xef\xbb\xbfPCE_ENV=prod\n", {"PCE_ENV": "prod"}),
        (b"export PCE_ENV = prod  # ours\r\nB=2\r\n", {"PCE_ENV": "prod", "B": "2"}),
        (b"A=' # kept '\nB=\"two\\nlines\"", {"A": " # kept ", "B": "two\nlines"}),
        (b"A=\nB= # nothing", {}),
        (b"A=x\nB=${A}y${C:-z}", {"A": "x", "B": "xyz"}),
        (b"K='-----BEGIN\nab_cd==\n-----END'\n", {"K": "-----BEGIN\nab_cd==\n-----END"}),
    ],
)
def test_what_can_be_read_is_read(body: bytes, values: dict[str, str]) -> None:
    assert (parsed(body).values, parsed(body).problems) == (values, ())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"A=1\nPCE_ENV\n", 'line 2 of .env (PCE_ENV) has no "="'),
        (b"PCE_ENV: prod\n", "line 1 of .env (PCE_ENV) is not NAME=value"),
        (b"\n\nset PCE_ENV=prod\n", "line 3 of .env is not NAME=value"),
        (b"PCE-ENV=prod\n", "line 1 of .env has a name that is not letters, digits and _"),
        (b"A=1\nPCE_ENV='prod\nB=1\n", "line 2 of .env (PCE_ENV) has a quote that is not closed"),
        (b'PCE_A="x\nPCE_ENV=prod\nC_D="', "line 1 of .env (PCE_A) opens a quote that does not end before PCE_ENV"),
        (b'PCE_A="x" y\n', "line 1 of .env (PCE_A) has a quote that is not closed, or something behind it"),
        (b"A=1\nB=2\nA=3\n", "line 3 of .env sets A again, after line 1"),
        (b"A=1\nB=\xff\n", "line 2 of .env is not UTF-8"),
        ("PCE_ENV=prod\n".encode("utf-16"), "line 1 of .env is UTF-16"),
        (b"A=1\nB=a\0b\n", "line 2 of .env (B) holds a NUL character"),
        (b"A=${NOWHERE}\n", "line 1 of .env (A) refers to NOWHERE, which is not set"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(body: bytes, told: str) -> None:
    (problem,) = parsed(body).problems
    assert problem.startswith(told)


def test_no_problem_repeats_a_secret() -> None:
    body = b"BEA_API_KEY='s3cr3t-of-mine\nPCE_HOOK_SECRET s3cr3t-of-mine\ns3cr3t_of_mine\n${s3cr3t-of-mine}\n"
    assert len(parsed(body).problems) >= 3
    assert "s3cr3t" not in " ".join(parsed(body).problems)


@given(st.text(alphabet="AB_=#'\"\\ \n\r\texport${}:-1é", max_size=40))
def test_what_is_read_without_a_problem_is_what_dotenv_reads(text: str) -> None:
    ours = parse_dotenv(text.encode(), ".env", {})
    if not ours.problems:
        theirs = dotenv_values(stream=io.StringIO(text, newline=""))
        assert {name: value for name, value in theirs.items() if value} == ours.values


@given(st.binary(max_size=60))
def test_no_bytes_raise(body: bytes) -> None:
    parsed(body)


def test_a_file_that_cannot_be_opened_is_a_problem_and_none_at_all_is_not(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / "none", {}) == Dotenv()
    assert "cannot be read" in read_dotenv(tmp_path, {}).problems[0]
    (tmp_path / "link").symlink_to("nowhere")
    assert "leads nowhere" in read_dotenv(tmp_path / "link", {}).problems[0]


def test_infra_refuses_the_same_lines_and_names(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("PCE_INFRA_REPOSTORY=octo/pce\nnot a line\n")
    with pytest.raises(UsageRefused) as refused:
        known_variables({}, dotenv)
    assert "did you mean PCE_INFRA_REPOSITORY" in str(refused.value)
    assert "is not NAME=value" in str(refused.value)
    dotenv.write_text("export PCE_INFRA_REPOSITORY='octo/pce' # ours\nAWS_REGION=${HERE}\n")
    assert known_variables({"HERE": "us-east-1", "AWS_PROFILE": ""}, dotenv) == {
        "PCE_INFRA_REPOSITORY": "octo/pce",
        "AWS_REGION": "us-east-1",
        "HERE": "us-east-1",
    }
