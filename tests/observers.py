"""Stand-ins on loopback for a trace collector and for Sentry: they keep what they are sent, and read it as the real ones do."""

import gzip
import json
import time
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.http_receiver import HttpReceiver


@dataclass(frozen=True)
class SeenSpan:
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    facts: dict
    whole: str


class Observer(HttpReceiver):
    """Both in one: paths tell them apart."""

    def __init__(self):
        super().__init__()
        self.answers(200, b"")

    @property
    def endpoint(self):
        return self.url(path="")

    @property
    def dsn(self):
        return f"http://kanarkey@127.0.0.1:{self.port}/7"

    def bodies(self, path):
        """Unpacked, of one of them."""
        found = [one for one in self.received if one.path == path]
        return [gzip.decompress(one.body) if one.body[:2] == b"\x1f\x8b" else one.body for one in found]

    def spans(self):
        seen = []
        for body in self.bodies("/v1/traces"):
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = {one.key: one.value.string_value for one in group.resource.attributes}["service.name"]
                for scope in group.scope_spans:
                    seen += [_seen(service, span) for span in scope.spans]
        return seen

    def events(self):
        """Reports of bugs, without their envelopes."""
        lines = [line for body in self.bodies("/api/7/envelope/") for line in body.splitlines()]
        read = [json.loads(line) for line in lines if line.startswith(b"{")]
        return [one for one in read if "exception" in one]

    def everything(self):
        """All bytes that came, headers too, as they came and as they read."""
        packed = [one.body + repr((one.path, one.headers)).encode() for one in self.received]
        read = [
            *self.bodies("/v1/traces"),
            *self.bodies("/api/7/envelope/"),
            *(one.whole.encode() for one in self.spans()),
        ]
        return b"\n".join([*packed, *read])

    def wait_for(self, find, *, within_s=20):
        """What `find` finds, once it finds something."""
        deadline = time.monotonic() + within_s
        while not (found := find()):
            assert time.monotonic() < deadline, sorted(
                {(one.trace_id[:6], one.service, one.name) for one in self.spans()}
            )
            time.sleep(0.05)
        return found


def _seen(service, span):
    facts = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    return SeenSpan(
        service, span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(), facts, str(span)
    )
