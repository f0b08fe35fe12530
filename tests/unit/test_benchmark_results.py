"""Results of the benchmarks: what misses a bar, two side by side, what venues need by them."""

from benchmarks import bars, capacity, compare


def test_a_figure_on_its_bar_is_met_and_one_beyond_it_is_missed() -> None:
    at_the_bar = {"latency": {"p99_ms_2000": 100.0}, "pipeline": {"trades_per_second": 12_000.0}}
    beyond = {"latency": {"p99_ms_2000": 100.1}, "pipeline": {"trades_per_second": 11_999.0}}
    assert bars.missed(at_the_bar) == []
    assert [bar.figure for bar in bars.missed(beyond)] == ["trades_per_second", "p99_ms_2000"]


def test_what_was_not_measured_is_neither_shown_nor_missed() -> None:
    assert bars.missed({}) == []
    assert len(list(bars.table({}))) == 1


def test_a_goal_without_a_bar_is_shown_and_not_judged() -> None:
    figures = {"cascade": {"bitmex_seconds_10000": 60.0}}
    assert bars.missed(figures) == []
    assert list(bars.table(figures))[1].endswith("short of the goal")


def test_two_results_are_shown_with_the_second_over_the_first() -> None:
    first = {"machine": {"cores": 2}, "figures": {"core": {"decide_us": 50.0, "old": 1.0}}}
    second = {"machine": {"cores": 4}, "figures": {"core": {"decide_us": 25.0}}}
    rows = {line.split()[0]: line.split()[1:] for line in compare.table(first, second)}
    assert rows["cores"] == ["2", "4"]
    assert rows["core.decide_us"] == ["50", "25", "0.50"]
    assert rows["core.old"] == ["1"]


def test_a_venue_needs_its_trades_times_what_one_costs() -> None:
    bench = {"figures": {"memory": {"bytes_per_account": 1000.0}}}
    bench["figures"]["memory"] |= {"bytes_first_position": 2000.0, "bytes_further_position": 500.0}
    last = {"writer_cpu_us_a_trade": 100.0, "postgres_cpu_us_a_trade": 50.0}
    last |= {"wal_bytes_a_trade": 3000.0, "disk_bytes_a_trade": 2000.0}
    cost = capacity.costs(bench, {"sizes": [{}, last]})
    found = capacity.needs(capacity.Venue("one", 86_400_000, 1_000_000, 2_000_000), cost)
    # 1,000 trades a second in the mean, 20,000 at the peak, 10,000 of them a core.
    assert found["trades a second, mean and peak"] == "1,000, 20,000"
    assert found["pools that share the peak, at least"] == "2"
    assert found["PostgreSQL's cores at the peak"] == "1.0"
    assert found["WAL at the peak, MB/s"] == "60.0"
    assert found["disk a day, GB"] == "173"
    assert found["writers' memory for books, GB"] == "5.0"
