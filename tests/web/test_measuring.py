"""The requests that are counted: by the path of their route, never by what a client has invented."""

from prometheus_client import REGISTRY

from tests.support.api import Api


def _count(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("stationmaster_api_requests_total", labels) or 0.0


async def test_a_request_is_counted_under_the_path_of_its_route(api: Api, token: str) -> None:
    route = "/v1/charge-points/{identity}"
    seconds = {"method": "GET", "route": route}

    def timed() -> float:
        return REGISTRY.get_sample_value("stationmaster_api_seconds_count", seconds) or 0.0

    before, timed_before = _count("GET", route, "404"), timed()
    assert (await api.call("GET", "/v1/charge-points/NONE-1", token)).status_code == 404
    assert _count("GET", route, "404") == before + 1
    assert timed() == timed_before + 1


async def test_invented_paths_and_methods_are_one_label(api: Api) -> None:
    before = _count("other", "other", "404")
    for method, path in (("DANCE", "/v1/dances/1"), ("SING", "/v1/songs/1")):
        assert (await api.call(method, path)).status_code == 404
    assert _count("other", "other", "404") == before + 2
