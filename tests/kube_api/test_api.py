"""One request is one request, every answer has a bound, and every failure is one kind of exception."""

import json
import socket
import threading

import pytest
from tests.kube_api.conftest import QUICK, make_certificate
from tests.kube_api.server import (
    BREAK,
    STALL,
    bookmark,
    dribble,
    drop,
    hang,
    obj,
    page,
    refuse,
    say,
    stream,
)

from kafka_sentinel.adapters.kubernetes import stream as stream_module
from kafka_sentinel.adapters.kubernetes.access import from_kubeconfig, in_cluster
from kafka_sentinel.adapters.kubernetes.api import Api, Timeouts
from kafka_sentinel.adapters.kubernetes.errors import ApiError
from kafka_sentinel.adapters.kubernetes.resources import Resource

PODS = Resource("", "v1", "pods", "kafka")
POD = "/api/v1/namespaces/kafka/pods/k-0"


def failure(call):
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value


# --- what is asked


@pytest.mark.parametrize(
    ("resource", "name", "subresource", "path"),
    [
        (PODS, None, None, "/api/v1/namespaces/kafka/pods"),
        (PODS, "k-0", "eviction", "/api/v1/namespaces/kafka/pods/k-0/eviction"),
        (Resource("", "v1", "nodes"), "n1", None, "/api/v1/nodes/n1"),
        (Resource("apps", "v1", "statefulsets", "kafka"), None, None, "/apis/apps/v1/namespaces/kafka/statefulsets"),
        (PODS, "../secrets/x", None, "/api/v1/namespaces/kafka/pods/..%2Fsecrets%2Fx"),
    ],
)
def test_paths(resource, name, subresource, path):
    assert resource.path(name, subresource) == path


def test_titles_are_those_of_rbac():
    assert [one.title for one in (PODS, Resource("apps", "v1", "statefulsets"))] == ["pods", "statefulsets.apps"]


def test_raw_json_goes_in_and_out(api, script):
    script.on("PUT", POD, say(obj("k-0", 8, odd={"any": [1, None, "ü"]})))
    assert api.replace(PODS, "k-0", {"x": "ü"})["odd"] == {"any": [1, None, "ü"]}
    [asked] = script.asked
    assert asked.body == {"x": "ü"}
    assert asked.headers["Authorization"] == "Bearer first"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["User-Agent"].startswith("kafka-sentinel/")


def test_an_object_no_model_would_accept_is_no_error(api, script):
    script.on("GET", POD, say({"kind": "Pod", "spec": {"containers": None}, "metadata": "?"}))
    assert api.get(PODS, "k-0")["spec"] == {"containers": None}


def test_a_connection_is_used_again(api, script, server):
    script.on("GET", POD, say(obj("k-0")))
    accepted = []
    server.process_request, process = lambda *given: (accepted.append(1), process(*given)), server.process_request
    for _ in range(3):
        api.get(PODS, "k-0")
    assert len(accepted) == 1


# --- nothing is repeated in secret


@pytest.mark.parametrize("answer", [drop(), refuse(500), refuse(503, headers={"Retry-After": "1"}), refuse(429)])
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "PUT"])
def test_one_call_is_one_request(api, script, method, answer):
    script.on(method, POD, answer)
    failure(lambda: api.call(method, POD, body=None if method == "GET" else {}))
    assert len(script.asked) == 1


def test_a_redirection_is_not_followed(api, script):
    script.on("GET", POD, say({}, 302, {"Location": "/elsewhere"}))
    assert failure(lambda: api.get(PODS, "k-0")).code == "302"
    assert len(script.asked) == 1


# --- refusals


def test_a_refusal_says_code_reason_message_and_what_to_do(api, script):
    script.on("GET", POD, refuse(403, "Forbidden", 'pods "k-0" is forbidden'))
    error = failure(lambda: api.get(PODS, "k-0"))
    assert (error.code, error.reason, error.message) == ("403", "Forbidden", 'pods "k-0" is forbidden')
    assert "grant the permission" in str(error)
    assert not error.may_have_happened


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("100000", 300.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
)
def test_retry_after(api, script, header, seconds):
    script.on("GET", POD, refuse(429, "TooManyRequests", headers={"Retry-After": header}))
    assert failure(lambda: api.get(PODS, "k-0")).retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"", b"[1]", b"\xff", b"[" * 50_000])
@pytest.mark.parametrize("status", [200, 502])
def test_what_is_no_json_object_is_an_error(api, script, status, body):
    script.on("GET", POD, say(body, status))
    assert failure(lambda: api.get(PODS, "k-0")).code == {200: "answer", 502: "502"}[status]


def test_a_message_is_cut(api, script):
    script.on("GET", POD, refuse(500, "InternalError", "x" * 100_000))
    assert len(failure(lambda: api.get(PODS, "k-0")).message) == 500


@pytest.mark.parametrize("code", ["404", "409", "410", "422", "429", "500", "504", "timeout", "unreachable", "tls"])
def test_every_code_has_advice(code):
    assert ApiError(code, "", "").advice


@pytest.mark.parametrize(
    ("code", "unsure"),
    [("timeout", True), ("broken", True), ("504", True), ("unreachable", False), ("409", False), ("tls", False)],
)
def test_what_may_have_happened(code, unsure):
    assert ApiError(code, "", "").may_have_happened == unsure


# --- bounds


def test_a_server_that_hangs_is_given_up(api, script):
    script.on("GET", POD, hang())
    assert failure(lambda: api.get(PODS, "k-0")).code == "timeout"


def test_an_answer_that_trickles_in_is_given_up_though_bytes_come(server, kubeconfig, script):
    clock = iter(range(0, 10_000, 2))
    script.on("GET", POD, dribble(obj("k-0"), 0.01), say(obj("k-0")))
    api = Api(from_kubeconfig(kubeconfig(server)), timeouts=QUICK, clock=lambda: next(clock))
    error = failure(lambda: api.get(PODS, "k-0"))
    assert (error.code, error.reason) == ("answer", "TooSlow")
    assert api.get(PODS, "k-0")["metadata"]["name"] == "k-0"  # what was left of it meets nobody


def test_a_slow_answer_within_the_time_is_fine(api, script):
    script.on("GET", POD, dribble(obj("k-0"), 0.001))
    assert api.get(PODS, "k-0")["metadata"]["name"] == "k-0"


def test_an_answer_that_is_too_large_is_given_up(api, script, monkeypatch):
    monkeypatch.setattr(stream_module, "MAX_BODY", 100_000)
    script.on("GET", POD, say(obj("k-0", pad="x" * 1_000_000)), say(obj("k-0")))
    assert failure(lambda: api.get(PODS, "k-0")).reason == "TooLarge"
    assert api.get(PODS, "k-0")["metadata"]["name"] == "k-0"


def test_an_answer_cut_off_is_an_error(api, script):
    def cut(handler, _asked):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"kind":')
        handler.drop()

    script.on("GET", POD, cut)
    assert failure(lambda: api.get(PODS, "k-0")).code == "broken"


def test_nobody_there(tmp_path, kubeconfig):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))

        class Nobody:
            url = f"http://127.0.0.1:{free.getsockname()[1]}"

        error = failure(lambda: Api(from_kubeconfig(kubeconfig(Nobody)), timeouts=QUICK).get(PODS, "k-0"))
    assert error.code == "unreachable"
    assert not error.may_have_happened


def test_a_connection_closed_while_nobody_used_it_is_no_error(api, script, server):
    def once(handler, asked):
        handler.send(200, obj("k-0"), {})
        handler.drop()

    script.on("GET", POD, once, say(obj("k-0")))
    api.get(PODS, "k-0")
    threading.Event().wait(0.1)  # until the end of the connection has reached us
    assert api.get(PODS, "k-0")


# --- credentials


def test_a_refused_token_is_read_again_and_the_request_sent_once_more(server, kubeconfig, script):
    api = Api(from_kubeconfig(kubeconfig(server)), timeouts=QUICK)
    script.on("DELETE", POD, refuse(401, "Unauthorized"), say(obj("k-0")))
    kubeconfig(server, "second")
    api.delete(PODS, "k-0", {"gracePeriodSeconds": 1})
    assert [one.headers["Authorization"] for one in script.asked] == ["Bearer first", "Bearer second"]
    assert script.asked[1].body == {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 1}


def test_a_token_refused_for_good_is_one_request_and_an_error(api, script):
    script.on("GET", POD, refuse(401, "Unauthorized"))
    for _ in range(3):
        assert failure(lambda: api.get(PODS, "k-0")).code == "401"
    assert len(script.asked) == 3


def test_credentials_are_not_read_again_all_the_time(server, kubeconfig, script):
    path = kubeconfig(server)
    loads = []
    load = from_kubeconfig(path)
    api = Api(lambda: (loads.append(1), load())[1], timeouts=QUICK, clock=lambda: 0.0)
    script.on("GET", POD, refuse(401, "Unauthorized"))
    for _ in range(5):
        failure(lambda: api.get(PODS, "k-0"))
    assert len(loads) == 2


def test_in_a_pod_tls_and_token_come_from_the_service_account(tls_server, service_account):
    folder, point = service_account
    point(tls_server)
    tls_server.script.on("GET", POD, say(obj("k-0")), refuse(401), say(obj("k-0")))
    api = Api(in_cluster(folder), timeouts=QUICK)
    api.get(PODS, "k-0")
    (folder / "token").write_text("second")
    api.get(PODS, "k-0")
    assert [one.headers["Authorization"].split()[1] for one in tls_server.script.asked] == ["first", "first", "second"]


def test_a_server_with_another_certificate_is_not_believed(tls_server, service_account, tmp_path):
    folder, point = service_account
    point(tls_server)
    make_certificate(tmp_path)[0].replace(folder / "ca.crt")
    error = failure(lambda: Api(in_cluster(folder), timeouts=QUICK).get(PODS, "k-0"))
    assert error.code == "tls"
    assert tls_server.script.asked == []


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_pod_without_service_account_is_a_sentence(service_account, tls_server, missing):
    folder, point = service_account
    point(tls_server)
    (folder / missing).unlink()
    error = failure(lambda: Api(in_cluster(folder)))
    assert error.code == "credentials"
    assert str(folder) in str(error)


@pytest.mark.parametrize("content", [None, "", "[]", ":\n:", json.dumps({"contexts": []})])
def test_a_kubeconfig_that_cannot_be_used_is_a_sentence(tmp_path, content):
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    error = failure(lambda: Api(from_kubeconfig(path)))
    assert error.code == "credentials"
    assert str(path) in str(error)


def test_a_token_that_vanishes_is_an_api_error(tls_server, service_account, monkeypatch):
    folder, point = service_account
    point(tls_server)
    tls_server.script.on("GET", POD, refuse(401))
    api = Api(in_cluster(folder), timeouts=QUICK)
    (folder / "token").unlink()
    assert failure(lambda: api.get(PODS, "k-0")).code == "credentials"


# --- streams


def lines(opened):
    return [json.loads(line) for batch in opened.batches() for line in batch]


def test_a_stream_yields_whole_lines_however_they_are_cut(api, script):
    script.on("GET", PODS.path(), stream(b'{"a"', b": 1}\n\n", b' \n{"a": 2}\n{"a"', b": 3}\n"), watch=True)
    assert lines(api.watch(PODS, {"x": "y"}, silence=5.0)) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert script.asked[0].query == {"x": "y", "watch": "1"}


def test_a_line_comes_before_the_stream_ends(api, script):
    script.on("GET", PODS.path(), stream(bookmark(1), STALL), watch=True)
    opened = api.watch(PODS, {}, silence=5.0)
    assert json.loads(next(opened.batches())[0]) == bookmark(1)
    opened.close()


@pytest.mark.parametrize(
    ("steps", "code"),
    [((b'{"a": 1}\n', BREAK), "broken"), ((b'{"a": 1}\n{"a"',), "broken"), ((b'{"a": 1}\n', STALL), "timeout")],
)
def test_a_stream_that_does_not_end_well(api, script, steps, code):
    script.on("GET", PODS.path(), stream(*steps), watch=True)
    opened = api.watch(PODS, {}, silence=0.3)
    seen = []

    def read():
        for batch in opened.batches():
            seen.extend(batch)

    assert failure(read).code == code
    assert seen == [b'{"a": 1}']


def test_a_line_without_end_is_given_up(api, script, monkeypatch):
    monkeypatch.setattr(stream_module, "MAX_LINE", 1000)
    script.on("GET", PODS.path(), stream(*[b"x" * 600] * 5), watch=True)
    opened = api.watch(PODS, {}, silence=5.0)
    assert failure(lambda: lines(opened)).reason == "TooLarge"


def test_a_server_that_hangs_before_its_answer_is_found_sooner_than_a_silent_watch(api, script):
    script.on("GET", PODS.path(), hang(), watch=True)
    assert failure(lambda: api.watch(PODS, {}, silence=60.0)).code == "timeout"


@pytest.mark.parametrize("secured", [False, True])
def test_a_waiting_reader_is_woken(secured, server, tls_server, kubeconfig, service_account):
    folder, point = service_account
    point(tls_server)
    chosen = tls_server if secured else server
    chosen.script.on("GET", PODS.path(), stream(bookmark(1), STALL), watch=True)
    api = Api(in_cluster(folder) if secured else from_kubeconfig(kubeconfig(server)), timeouts=QUICK)
    opened = api.watch(PODS, {}, silence=60.0)
    batches = opened.batches()
    next(batches)
    threading.Timer(0.1, opened.wake).start()
    assert failure(lambda: next(batches)).code == "broken"
    opened.wake()
    opened.close()
    opened.wake()


def test_a_watch_may_be_silent_for_longer_than_another_answer(server, kubeconfig, script):
    script.on("GET", PODS.path(), stream(bookmark(1), 0.6, bookmark(2)), watch=True)
    api = Api(from_kubeconfig(kubeconfig(server)), timeouts=Timeouts(connect=1.0, read=0.2))
    assert lines(api.watch(PODS, {}, silence=10.0)) == [bookmark(1), bookmark(2)]


def test_a_refused_watch_is_a_refusal(api, script):
    script.on("GET", PODS.path(), refuse(410, "Expired"), watch=True)
    assert failure(lambda: api.watch(PODS, {}, silence=5.0)).code == "410"


def test_a_list_page(api, script):
    script.on("GET", PODS.path(), say(page(obj("k-0"), more="token")))
    assert api.list_page(PODS, {"limit": "1"})["metadata"]["continue"] == "token"
    assert script.asked[0].query == {"limit": "1"}
