"""What our mend of kombu's Redis transport is for."""

import pytest
from kombu import Connection

from worker import app  # noqa: F401 -- installs it, as in every process
from worker.redis_transport import Channel


def test_giving_messages_back_through_a_closed_connection_is_a_lost_connection_and_no_bug(broker):
    connection = Connection(broker)
    channel = connection.default_channel
    assert isinstance(channel, Channel)
    channel.connection.client = None  # what closing leaves behind
    channel._disconnect_pools()
    with pytest.raises(connection.connection_errors):
        channel.qos.restore_unacked()
