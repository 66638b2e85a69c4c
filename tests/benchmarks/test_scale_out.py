"""The figures of several hosts together, and what a command on another one adds."""

import pytest

from benchmarks.scale_out import added_latencies, together


def test_the_frames_of_two_hosts_add_up_and_the_work_of_the_engines_counts_once() -> None:
    one = {
        "frames_per_s": 3000.0,
        "server_cpu_us": 20.0,
        "server_system_us": 10.0,
        "load_cpu_us": 8.0,
        "server_busy": 0.06,
        # 100 ms of CPU in a second, which both hosts have seen.
        "postgres_cpu_us": 100_000.0 / 3000.0,
        "redis_cpu_us": 0.0,
        "p50_ms": 1.0,
        "p99_ms": 9.0,
    }
    other = one | {
        "frames_per_s": 1000.0,
        "server_cpu_us": 40.0,
        "postgres_cpu_us": 100.0,
        "p50_ms": 2.0,
        "p99_ms": 5.0,
    }
    found = together([one, other])
    assert found["frames_per_s"] == 4000.0
    assert found["server_cpu_us"] == pytest.approx(25.0)
    assert found["postgres_cpu_us"] == pytest.approx(25.0)
    assert (found["p50_ms"], found["p99_ms"]) == (2.0, 9.0)
    assert found["frames_per_cpu_s"] == pytest.approx(1e6 / 50.0)


def test_each_round_is_compared_with_itself() -> None:
    rounds = [
        {"same_worker": [1.0, 2.0, 3.0], "other_worker": [2.0, 3.0, 4.0], "other_host": [5.0, 6.0, 9.0]},
        {"same_worker": [7.0, 8.0, 9.0], "other_worker": [8.0, 9.0, 10.0], "other_host": [11.0, 12.0, 15.0]},
    ]
    found = added_latencies(rounds)
    assert "added_p50_ms" not in found["same_worker"]
    assert (found["other_worker"]["added_p50_ms"], found["other_worker"]["added_p99_ms"]) == (
        {"median": 1.0, "lowest": 1.0, "highest": 1.0, "rounds": 2},
        {"median": 1.0, "lowest": 1.0, "highest": 1.0, "rounds": 2},
    )
    assert found["other_host"]["added_p99_ms"]["median"] == 6.0
