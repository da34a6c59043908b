from email.message import Message

import pytest

from latentbench.serving.guards import MOST_BYTES, Guard

PORT, TOKEN = 8123, "secret"
PAGE = f"/?token={TOKEN}"


@pytest.fixture
def refusal():
    """A function that returns the status with which a request is refused, None for one that is not."""

    def look(method="POST", address="/decode?model=0", *, port=PORT, **changes):
        named = {
            "Host": f"127.0.0.1:{PORT}",
            "X-Latentbench-Token": TOKEN if method != "GET" else None,
            **({"Content-Length": "8", "Content-Type": "application/octet-stream"} if method == "POST" else {}),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        headers = Message()
        for name, values in named.items():
            for value in values if isinstance(values, list) else [values]:
                if value is not None:
                    headers[name] = value
        refused = Guard(TOKEN, port, ("/decode", "/encode")).refusal(method, address, headers)
        assert refused is None or refused.sentence.endswith(".")
        return refused and refused.status

    return look


def test_the_page_and_its_posts_are_let_in(refusal):
    assert refusal("GET", PAGE) is None
    assert refusal() is None
    assert refusal("GET", PAGE, Host=f"localhost:{PORT}") is None
    assert refusal(Origin=f"http://127.0.0.1:{PORT}") is None
    assert refusal(Host=f"localhost:{PORT}", Origin=f"http://localhost:{PORT}") is None
    assert refusal("GET", PAGE, port=80, Host="localhost") is None


STRANGE_HOSTS = [None, "", "127.0.0.1", "127.0.0.1:80", f"attacker.example:{PORT}", f"127.0.0.1.example:{PORT}"]


@pytest.mark.parametrize("host", [*STRANGE_HOSTS, [f"127.0.0.1:{PORT}", "attacker.example"]])
def test_another_name_of_this_machine_is_refused(refusal, host):
    assert refusal("GET", PAGE, Host=host) == refusal(Host=host) == 403


STRANGE_ORIGINS = ["http://attacker.example", "null", "", f"https://127.0.0.1:{PORT}", f"http://localhost:{PORT}"]


@pytest.mark.parametrize("origin", [*STRANGE_ORIGINS, "http://127.0.0.1:9"])
def test_another_origin_is_refused(refusal, origin):
    assert refusal("GET", PAGE, Origin=origin) == refusal(Origin=origin) == 403


@pytest.mark.parametrize("address", ["/", "/?token=", "/?token=secre", "/?token=secret2", "/?token=gehe%C3%AFm"])
def test_a_page_without_the_token_is_refused(refusal, address):
    assert refusal("GET", address) == 403
    assert refusal("GET", address, X_Latentbench_Token=TOKEN) == 403  # its address alone counts
    assert refusal("GET", f"{PAGE}&token=other") == 403


@pytest.mark.parametrize("token", [None, "", "other", "\xe9", [TOKEN, TOKEN]])
def test_a_post_without_the_token_is_refused(refusal, token):
    assert refusal(X_Latentbench_Token=token) == 403
    assert refusal(address=f"/decode?token={TOKEN}", X_Latentbench_Token=token) == 403


def test_other_paths_and_methods_are_refused(refusal):
    assert refusal("GET", f"/etc/passwd?token={TOKEN}") == 404
    assert refusal("GET", f"/../pyproject.toml?token={TOKEN}") == 404
    assert refusal(address="/decode/") == 404
    assert refusal("GET", f"/decode?token={TOKEN}") == 405
    assert refusal(address="/") == 405
    assert refusal("PUT") == refusal("OPTIONS") == refusal("DELETE") == refusal("HEAD", "/") == 405


@pytest.mark.parametrize("length", [None, "", "-1", "1.5", "ten", "\u0663", ["8", "8"]])
def test_a_post_says_its_length(refusal, length):
    assert refusal(Content_Length=length) == 411
    assert refusal(Transfer_Encoding="chunked") == 411


def test_a_post_is_small_and_plain_bytes(refusal):
    assert refusal(Content_Length=str(MOST_BYTES)) is None
    assert refusal(Content_Length=str(MOST_BYTES + 1)) == refusal(Content_Length="9" * 5000) == 413
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert refusal(Content_Type=kind) == 415
