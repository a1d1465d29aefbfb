"""The estimate that `make bench` prints."""

from benchmarks.cost import DEFAULT, cost_per_1000, main, size_of, typical_request


def test_a_thousand_messages_cost_at_most_a_quarter_dollar_with_the_default_model():
    assert cost_per_1000(DEFAULT, size_of(typical_request()), hit_rate=0.95) <= 0.25


def test_the_table_shows_second_readings_beside_it(capsys):
    main()
    printed = capsys.readouterr().out
    assert all(words in printed for words in ("0% read again", "3% read again", "7% read again", "95%", "1.00x"))
