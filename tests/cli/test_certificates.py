"""When certificates expire, as read from their encoding."""

import os
import time
from pathlib import Path

import pytest
from tests.certificates import DAY, Authority

from kafka_sentinel.adapters.certificates import expiries, next_expiry, validity

NOW = int(time.time())


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    made = Authority(tmp_path_factory.mktemp("tls") / "ca")
    made.sign("soon", begins=NOW - DAY, ends=NOW + DAY)
    made.sign("later", begins=NOW - DAY, ends=NOW + 9 * DAY)
    made.sign("gone", begins=NOW - 9 * DAY, ends=NOW - DAY)
    made.sign("far", begins=NOW - DAY, ends=NOW + 40_000 * DAY)
    return made


@pytest.fixture
def bundle(authority, tmp_path):
    def bundle(*names):
        file = tmp_path / "bundle.pem"
        file.write_text("# a comment\n" + "".join(Path(authority.path(f"{name}.crt")).read_text() for name in names))
        return file

    return bundle


def test_a_certificate_of_this_century_and_of_the_next(bundle):
    assert next_expiry(bundle("soon"), NOW, chain=True) == NOW + DAY
    assert next_expiry(bundle("far"), NOW, chain=True) == NOW + 40_000 * DAY  # years of four digits from 2050 on


def test_of_a_chain_the_first_to_expire_counts(bundle):
    assert next_expiry(bundle("later", "soon"), NOW, chain=True) == NOW + DAY
    assert next_expiry(bundle("later", "gone"), NOW, chain=True) == NOW - DAY


def test_of_authorities_side_by_side_the_next_to_expire_counts(bundle):
    assert next_expiry(bundle("gone", "later", "soon"), NOW, chain=False) == NOW + DAY
    assert next_expiry(bundle("gone"), NOW, chain=False) == NOW - DAY


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_no_date(tmp_path, content):
    file = tmp_path / "ca.crt"
    file.write_text(content)
    with pytest.raises(ValueError):
        next_expiry(file, NOW, chain=False)
    assert expiries({"ca_file": file, "cert_file": tmp_path / "none"}, NOW) == {}


@pytest.mark.parametrize("seed", range(20))
def test_rubbish_is_never_more_than_an_error(seed):
    with pytest.raises(ValueError):
        validity(bytes([0x30, 0x82, *os.urandom(60)]))


def test_files_are_known_by_their_settings_key(authority, bundle):
    files = {"ca_file": bundle("later"), "cert_file": Path(authority.path("soon.crt"))}
    assert expiries(files, NOW) == {"ca_file": NOW + 9 * DAY, "cert_file": NOW + DAY}
