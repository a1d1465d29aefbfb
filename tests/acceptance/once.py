"""One analysis and one decision for each message, whatever happened."""


def assert_exactly_once(stack, pattern, count):
    """Messages whose words are like `pattern`."""
    query = """
        SELECT count(*),
               count(*) FILTER (WHERE (SELECT count(*) FROM message_analysis a WHERE a.message_id = m.id
                                       AND a.run_kind = 'initial' AND NOT a.provisional) = 1),
               count(*) FILTER (WHERE (SELECT count(*) FROM routing_decision d WHERE d.message_id = m.id
                                       AND NOT d.provisional) = 1)
        FROM message m WHERE m.text LIKE %s
    """
    assert stack.rows(query, pattern) == [(count, count, count)]
